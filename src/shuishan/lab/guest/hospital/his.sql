create table registrations (id bigint generated always as identity primary key, patient text not null, department text not null, registered_at timestamptz not null default now());
alter table registrations owner to his;
