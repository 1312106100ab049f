//! The tables of the index, as they became what they are.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Every migration there ever was, oldest first: name and text. A released one is never edited.
const MIGRATIONS: [(&str, &str); 2] = [
    ("initial", include_str!("../migrations/0001_initial.sql")),
    (
        "chunks, catalogue, classes",
        include_str!("../migrations/0002_chunks_catalogue_classes.sql"),
    ),
];

/// The migrations in the words of one database, `sqlite` or `postgres`.
pub(crate) fn migrations(database: &str) -> Migrator {
    let migration = |(number, (name, text)): (usize, &(&'static str, &str))| {
        // A line that begins with the name of the database is for it alone, and a comment to the other.
        let text = text.replace(&format!("--{database} "), "");
        Migration::new(
            number as i64 + 1,
            (*name).into(),
            MigrationType::Simple,
            sqlx::AssertSqlSafe(text).into_sql_str(),
            false,
        )
    };
    Migrator::with_migrations(MIGRATIONS.iter().enumerate().map(migration).collect())
}
