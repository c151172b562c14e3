import { Migration } from '@mikro-orm/migrations'
import { dropOutboxTableSql, outboxTableSql } from '#optimizations/database/outbox-table.ts'

/** Users, classes, enrolments, lessons, progress and the outbox. The statements are MikroORM's own output for the entities. */
export class Migration20261122Initial extends Migration {
  override up(): void {
    this.addSql(
      `create table "users" ("id" uuid not null, "email" varchar(320) not null, "username" varchar(64) not null, "password_hash" varchar(255) not null, "display_name" varchar(200) not null, "role" text not null, "is_active" boolean not null default true, "xp" int not null default 0, "level" int not null default 1, "streak_days" int not null default 0, "last_login_at" timestamptz null, "created_at" timestamptz not null, "updated_at" timestamptz not null, "version" int not null default 1, primary key ("id"))`,
    )
    this.addSql(`alter table "users" add constraint "users_email_unique" unique ("email")`)
    this.addSql(`alter table "users" add constraint "users_username_unique" unique ("username")`)
    this.addSql(`create index "users_role_is_active_index" on "users" ("role", "is_active")`)
    this.addSql(
      `alter table "users" add constraint "users_role_check" check ("role" in ('admin', 'teacher', 'student', 'parent'))`,
    )

    this.addSql(
      `create table "school_classes" ("id" uuid not null, "name" varchar(200) not null, "subject" varchar(100) not null, "grade_level" smallint not null, "room" varchar(100) null, "schedule" varchar(200) null, "description" text null, "max_students" int not null default 30, "is_active" boolean not null default true, "teacher_id" uuid not null, "created_at" timestamptz not null, "updated_at" timestamptz not null, "version" int not null default 1, primary key ("id"))`,
    )
    this.addSql(`create index "school_classes_teacher_id_index" on "school_classes" ("teacher_id")`)
    this.addSql(
      `create index "school_classes_subject_grade_level_index" on "school_classes" ("subject", "grade_level")`,
    )
    this.addSql(`create index "school_classes_is_active_index" on "school_classes" ("is_active")`)
    this.addSql(
      `alter table "school_classes" add constraint "school_classes_grade_level_check" check (grade_level between 1 and 12)`,
    )
    this.addSql(
      `alter table "school_classes" add constraint "school_classes_max_students_check" check (max_students > 0)`,
    )
    this.addSql(
      `alter table "school_classes" add constraint "school_classes_teacher_id_foreign" foreign key ("teacher_id") references "users" ("id")`,
    )

    this.addSql(
      `create table "lessons" ("id" uuid not null, "school_class_id" uuid not null, "title" varchar(200) not null, "description" text not null, "order_index" int not null, "content_type" varchar(40) not null, "difficulty" text not null, "estimated_minutes" int not null, "content_data" jsonb not null, "is_published" boolean not null default false, "published_at" timestamptz null, "created_at" timestamptz not null, "updated_at" timestamptz not null, "version" int not null default 1, primary key ("id"))`,
    )
    this.addSql(
      `alter table "lessons" add constraint "lessons_school_class_id_order_index_unique" unique ("school_class_id", "order_index")`,
    )
    this.addSql(
      `alter table "lessons" add constraint "lessons_difficulty_check" check ("difficulty" in ('easy', 'medium', 'hard'))`,
    )
    this.addSql(
      `alter table "lessons" add constraint "lessons_school_class_id_foreign" foreign key ("school_class_id") references "school_classes" ("id") on delete cascade`,
    )

    this.addSql(
      `create table "lesson_progress" ("id" uuid not null, "student_id" uuid not null, "lesson_id" uuid not null, "percent" double precision not null default 0, "time_spent_sec" int not null default 0, "status" text not null default 'in_progress', "last_accessed_at" timestamptz not null, "completed_at" timestamptz null, primary key ("id"))`,
    )
    this.addSql(`create index "lesson_progress_lesson_id_index" on "lesson_progress" ("lesson_id")`)
    this.addSql(
      `alter table "lesson_progress" add constraint "lesson_progress_student_id_lesson_id_unique" unique ("student_id", "lesson_id")`,
    )
    this.addSql(
      `alter table "lesson_progress" add constraint "lesson_progress_percent_check" check (percent between 0 and 100)`,
    )
    this.addSql(
      `alter table "lesson_progress" add constraint "lesson_progress_time_spent_sec_check" check (time_spent_sec >= 0)`,
    )
    this.addSql(
      `alter table "lesson_progress" add constraint "lesson_progress_status_check" check ("status" in ('in_progress', 'completed'))`,
    )
    this.addSql(
      `alter table "lesson_progress" add constraint "lesson_progress_student_id_foreign" foreign key ("student_id") references "users" ("id") on delete cascade`,
    )
    this.addSql(
      `alter table "lesson_progress" add constraint "lesson_progress_lesson_id_foreign" foreign key ("lesson_id") references "lessons" ("id") on delete cascade`,
    )

    this.addSql(
      `create table "enrollments" ("id" uuid not null, "school_class_id" uuid not null, "student_id" uuid not null, "status" text not null default 'active', "enrolled_at" timestamptz not null, "dropped_at" timestamptz null, "final_grade" double precision null, "attendance_pct" double precision null, primary key ("id"))`,
    )
    this.addSql(`create index "enrollments_student_id_status_index" on "enrollments" ("student_id", "status")`)
    this.addSql(
      `alter table "enrollments" add constraint "enrollments_school_class_id_student_id_unique" unique ("school_class_id", "student_id")`,
    )
    this.addSql(
      `alter table "enrollments" add constraint "enrollments_final_grade_check" check (final_grade between 0 and 100)`,
    )
    this.addSql(
      `alter table "enrollments" add constraint "enrollments_attendance_pct_check" check (attendance_pct between 0 and 100)`,
    )
    this.addSql(
      `alter table "enrollments" add constraint "enrollments_status_check" check ("status" in ('active', 'dropped', 'completed'))`,
    )
    this.addSql(
      `alter table "enrollments" add constraint "enrollments_school_class_id_foreign" foreign key ("school_class_id") references "school_classes" ("id") on delete cascade`,
    )
    this.addSql(
      `alter table "enrollments" add constraint "enrollments_student_id_foreign" foreign key ("student_id") references "users" ("id") on delete cascade`,
    )

    this.addSql(outboxTableSql)
  }

  override down(): void {
    this.addSql(dropOutboxTableSql)
    this.addSql(`drop table "enrollments", "lesson_progress", "lessons", "school_classes", "users"`)
  }
}
