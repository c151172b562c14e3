import { Migration } from '@mikro-orm/migrations'

/**
 * Assessments, submissions, content and notifications. The statements are MikroORM's own output for the entities.
 * The checks of columns in double precision are made anew in a form that its schema comparison reads back unchanged.
 */
export class Migration20261123Domain extends Migration {
  override up(): void {
    // Comes with every PostgreSQL, and is trusted: the owner of the database may add it.
    this.addSql(`create extension if not exists pg_trgm`)

    this.addSql(
      `create table "assessments" ("id" uuid not null, "school_class_id" uuid not null, "lesson_id" uuid null, "title" varchar(200) not null, "kind" text not null, "max_score" int not null, "passing_score" int not null default 70, "max_attempts" int not null default 3, "time_limit_sec" int null, "due_at" timestamptz null, "status" text not null default 'draft', "created_at" timestamptz not null, "updated_at" timestamptz not null, "version" int not null default 1, primary key ("id"))`,
    )
    this.addSql(`create index "assessments_lesson_id_index" on "assessments" ("lesson_id")`)
    this.addSql(
      `create index "assessments_school_class_id_status_due_at_index" on "assessments" ("school_class_id", "status", "due_at")`,
    )
    this.addSql(
      `create table "submissions" ("id" uuid not null, "assessment_id" uuid not null, "student_id" uuid not null, "attempt_no" int not null, "answers" jsonb not null, "score" int not null, "percent" double precision null, "passed" boolean null, "status" text not null default 'submitted', "xp_awarded" int not null default 0, "idempotency_key" varchar(64) null, "submitted_at" timestamptz not null, "graded_at" timestamptz null, "graded_by_id" uuid null, "feedback" text null, primary key ("id"))`,
    )
    this.addSql(`create index "submissions_assessment_id_status_index" on "submissions" ("assessment_id", "status")`)
    this.addSql(`create index "submissions_submitted_at_index" on "submissions" ("submitted_at")`)
    this.addSql(
      `alter table "submissions" add constraint "submissions_assessment_id_student_id_attempt_no_unique" unique ("assessment_id", "student_id", "attempt_no")`,
    )
    this.addSql(
      `alter table "submissions" add constraint "submissions_student_id_idempotency_key_unique" unique ("student_id", "idempotency_key")`,
    )
    this.addSql(
      `create table "assessment_questions" ("id" uuid not null, "assessment_id" uuid not null, "order_index" int not null, "type" text not null, "prompt" text not null, "options" jsonb not null, "correct_answer" jsonb null, "points" int not null default 1, primary key ("id"))`,
    )
    this.addSql(
      `alter table "assessment_questions" add constraint "assessment_questions_assessment_id_order_index_unique" unique ("assessment_id", "order_index")`,
    )
    this.addSql(
      `create table "notifications" ("id" uuid not null, "user_id" uuid not null, "title" varchar(200) not null, "message" text not null, "kind" varchar(40) not null, "data" jsonb not null, "read_at" timestamptz null, "created_at" timestamptz not null, primary key ("id"))`,
    )
    this.addSql(`create index "notifications_user_id_read_at_index" on "notifications" ("user_id", "read_at")`)
    this.addSql(
      `create index "notifications_user_id_created_at_id_index" on "notifications" ("user_id", "created_at", "id")`,
    )
    this.addSql(
      `create table "content_items" ("id" uuid not null, "creator_id" uuid not null, "lesson_id" uuid null, "title" varchar(200) not null, "content_type" varchar(40) not null, "subject" varchar(100) not null, "grade_level" smallint not null, "difficulty" text not null, "data" jsonb not null, "status" text not null default 'draft', "view_count" int not null default 0, "published_at" timestamptz null, "created_at" timestamptz not null, "updated_at" timestamptz not null, "version" int not null default 1, primary key ("id"))`,
    )
    this.addSql(`create index "content_items_creator_id_index" on "content_items" ("creator_id")`)
    this.addSql(`create index "content_items_lesson_id_index" on "content_items" ("lesson_id")`)
    this.addSql(
      `create index "content_items_status_subject_grade_level_index" on "content_items" ("status", "subject", "grade_level")`,
    )
    this.addSql(`create index "content_items_title_id_index" on "content_items" ("title", "id")`)
    this.addSql(`create index "content_items_title_trigram_index" on "content_items" using gin ("title" gin_trgm_ops)`)
    this.addSql(`create index "users_xp_index" on "users" ("xp" DESC)`)
    this.addSql(`alter table "lesson_progress" drop constraint "lesson_progress_percent_check"`)
    this.addSql(
      `alter table "lesson_progress" add constraint "lesson_progress_percent_check" check (percent::numeric >= 0 and percent::numeric <= 100)`,
    )
    this.addSql(`alter table "enrollments" drop constraint "enrollments_attendance_pct_check"`)
    this.addSql(`alter table "enrollments" drop constraint "enrollments_final_grade_check"`)
    this.addSql(
      `alter table "enrollments" add constraint "enrollments_attendance_pct_check" check (attendance_pct::numeric >= 0 and attendance_pct::numeric <= 100)`,
    )
    this.addSql(
      `alter table "enrollments" add constraint "enrollments_final_grade_check" check (final_grade::numeric >= 0 and final_grade::numeric <= 100)`,
    )
    this.addSql(
      `alter table "assessments" add constraint "assessments_school_class_id_foreign" foreign key ("school_class_id") references "school_classes" ("id") on delete cascade`,
    )
    this.addSql(
      `alter table "assessments" add constraint "assessments_lesson_id_foreign" foreign key ("lesson_id") references "lessons" ("id") on delete set null`,
    )
    this.addSql(`alter table "assessments" add constraint "assessments_max_score_check" check (max_score >= 0)`)
    this.addSql(
      `alter table "assessments" add constraint "assessments_passing_score_check" check (passing_score >= 0 and passing_score <= 100)`,
    )
    this.addSql(`alter table "assessments" add constraint "assessments_max_attempts_check" check (max_attempts > 0)`)
    this.addSql(
      `alter table "assessments" add constraint "assessments_kind_check" check ("kind" in ('quiz', 'test', 'exam'))`,
    )
    this.addSql(
      `alter table "assessments" add constraint "assessments_status_check" check ("status" in ('draft', 'published', 'closed'))`,
    )
    this.addSql(
      `alter table "submissions" add constraint "submissions_assessment_id_foreign" foreign key ("assessment_id") references "assessments" ("id") on delete cascade`,
    )
    this.addSql(
      `alter table "submissions" add constraint "submissions_student_id_foreign" foreign key ("student_id") references "users" ("id") on delete cascade`,
    )
    this.addSql(
      `alter table "submissions" add constraint "submissions_graded_by_id_foreign" foreign key ("graded_by_id") references "users" ("id") on delete set null`,
    )
    this.addSql(`alter table "submissions" add constraint "submissions_attempt_no_check" check (attempt_no > 0)`)
    this.addSql(
      `alter table "submissions" add constraint "submissions_percent_check" check (percent::numeric >= 0 and percent::numeric <= 100)`,
    )
    this.addSql(`alter table "submissions" add constraint "submissions_xp_awarded_check" check (xp_awarded >= 0)`)
    this.addSql(
      `alter table "submissions" add constraint "submissions_status_check" check ("status" in ('submitted', 'graded'))`,
    )
    this.addSql(
      `alter table "assessment_questions" add constraint "assessment_questions_assessment_id_foreign" foreign key ("assessment_id") references "assessments" ("id") on delete cascade`,
    )
    this.addSql(
      `alter table "assessment_questions" add constraint "assessment_questions_points_check" check (points > 0)`,
    )
    this.addSql(
      `alter table "assessment_questions" add constraint "assessment_questions_type_check" check ("type" in ('single_choice', 'multiple_choice', 'true_false', 'numeric', 'short_text', 'essay'))`,
    )
    this.addSql(
      `alter table "notifications" add constraint "notifications_user_id_foreign" foreign key ("user_id") references "users" ("id") on delete cascade`,
    )
    this.addSql(
      `alter table "content_items" add constraint "content_items_creator_id_foreign" foreign key ("creator_id") references "users" ("id")`,
    )
    this.addSql(
      `alter table "content_items" add constraint "content_items_lesson_id_foreign" foreign key ("lesson_id") references "lessons" ("id") on delete set null`,
    )
    this.addSql(
      `alter table "content_items" add constraint "content_items_grade_level_check" check (grade_level >= 1 and grade_level <= 12)`,
    )
    this.addSql(
      `alter table "content_items" add constraint "content_items_difficulty_check" check ("difficulty" in ('easy', 'medium', 'hard'))`,
    )
    this.addSql(
      `alter table "content_items" add constraint "content_items_status_check" check ("status" in ('draft', 'pending', 'approved', 'rejected', 'published', 'archived'))`,
    )
  }

  override down(): void {
    this.addSql(`drop table "notifications", "content_items", "submissions", "assessment_questions", "assessments"`)
    this.addSql(`drop index "users_xp_index"`)
  }
}
