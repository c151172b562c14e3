import { randomUUID } from 'node:crypto'
import { defineEntity, p } from '@mikro-orm/core'
import { User } from './user.ts'

const SchoolClassSchema = defineEntity({
  name: 'SchoolClass',
  tableName: 'school_classes',
  indexes: [{ properties: ['subject', 'gradeLevel'] }, { properties: ['isActive'] }],
  checks: [
    { name: 'school_classes_grade_level_check', expression: 'grade_level >= 1 and grade_level <= 12' },
    { name: 'school_classes_max_students_check', expression: 'max_students > 0' },
  ],
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID()),
    name: p.string().length(200),
    subject: p.string().length(100),
    gradeLevel: p.smallint(),
    room: p.string().length(100).nullable(),
    schedule: p.string().length(200).nullable(),
    description: p.text().nullable(),
    maxStudents: p.integer().default(30),
    isActive: p.boolean().default(true),
    teacher: () => p.manyToOne(User).ref().index(),
    createdAt: p.datetime().onCreate(() => new Date()),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
    version: p.integer().version(),
  },
})

export class SchoolClass extends SchoolClassSchema.class {}
SchoolClassSchema.setClass(SchoolClass)
