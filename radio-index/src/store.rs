//! The two databases behind one door. SQL is written once, in the dialect that both understand.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::{Error, Result};

/// Runs the same code with a connection of either database.
macro_rules! on {
    ($tx:expr, $connection:ident => $body:expr) => {
        match $tx {
            #[cfg(feature = "sqlite")]
            $crate::store::Tx::Sqlite(transaction) => {
                let $connection = &mut **transaction;
                $body
            }
            #[cfg(feature = "postgres")]
            $crate::store::Tx::Postgres(transaction) => {
                let $connection = &mut **transaction;
                $body
            }
        }
    };
}
pub(crate) use on;

/// Binds values of mixed types, in order.
macro_rules! bind {
    ($query:expr, $values:expr) => {{
        let mut query = $query;
        for value in $values {
            query = match value {
                $crate::store::Value::Int(x) => query.bind(*x),
                // SQLite has no NaN, so there is none on PostgreSQL either.
                $crate::store::Value::Real(x) => query.bind(x.filter(|x| !x.is_nan())),
                $crate::store::Value::Text(x) => query.bind(x.as_deref().map(str::to_owned)),
            };
        }
        query
    }};
}
pub(crate) use bind;

/// One value of a row on its way into a table. `None` is NULL, of that type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Int(Option<i64>),
    Real(Option<f64>),
    Text(Option<Cow<'a, str>>),
}

impl From<i64> for Value<'_> {
    fn from(x: i64) -> Self {
        Self::Int(Some(x))
    }
}

impl From<f64> for Value<'_> {
    fn from(x: f64) -> Self {
        Self::Real(Some(x))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(x: &'a str) -> Self {
        Self::Text(Some(Cow::Borrowed(x)))
    }
}

/// A table that rows are poured into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [&'static str],
    /// Columns that identify a row which is to be replaced; empty where a second row is an error.
    pub(crate) replace_by: &'static [&'static str],
}

/// An open database.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: Pool,
    /// For messages: the address without its password.
    url: String,
}

#[derive(Clone, Debug)]
enum Pool {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
}

/// A transaction: nothing is kept unless [`Store::commit`] gets it.
#[derive(Debug)]
pub(crate) enum Tx {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

impl Tx {
    fn numbers_parameters(&self) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
        }
    }
}

/// Key of the PostgreSQL advisory lock that writers hold ("radio" in ASCII).
#[cfg(feature = "postgres")]
const WRITERS: i64 = 0x72_61_64_69_6f;

impl Store {
    /// Connects, creates the database file where SQLite has none yet, and brings the tables up to date.
    pub(crate) async fn open(url: &str) -> Result<Self> {
        let shown = without_password(url);
        let failed = |source| Error::Store {
            action: "open the tables",
            url: shown.clone(),
            source,
        };
        let pool = match url.split(':').next() {
            #[cfg(feature = "sqlite")]
            Some("sqlite") => Pool::Sqlite(open_sqlite(url).await.map_err(|e| failed(e.into()))?),
            #[cfg(feature = "postgres")]
            Some("postgres" | "postgresql") => Pool::Postgres(open_postgres(url).await.map_err(|e| failed(e.into()))?),
            _ => return Err(Error::NoDriver { url: shown }),
        };
        let migrations = migrations();
        match &pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(pool) => {
                // sqlx takes no lock here, and two programs may open a new file at once.
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.map_err(|e| failed(e.into()))?;
                match migrations.run(&mut *tx).await {
                    Ok(()) => tx.commit().await.map_err(Into::into),
                    Err(error) => Err(error),
                }
            }
            #[cfg(feature = "postgres")]
            Pool::Postgres(pool) => migrations.run(pool).await,
        }
        .map_err(|error| match error {
            MigrateError::VersionMismatch(_) | MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => {
                Error::OtherVersion {
                    url: shown.clone(),
                    source: error.into(),
                }
            }
            other => failed(other.into()),
        })?;
        Ok(Self { pool, url: shown })
    }

    /// A transaction that sees one state of the database from its first query to its last.
    pub(crate) async fn read(&self) -> Result<Tx> {
        self.begin("BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
    }

    /// A transaction that no other writer runs beside; it waits for its turn.
    pub(crate) async fn write(&self) -> Result<Tx> {
        let mut tx = self
            .begin("BEGIN IMMEDIATE", "BEGIN ISOLATION LEVEL READ COMMITTED")
            .await?;
        #[cfg(feature = "postgres")]
        #[allow(irrefutable_let_patterns, reason = "refutable where sqlite is on too")]
        if let Tx::Postgres(transaction) = &mut tx {
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind(WRITERS)
                .execute(&mut **transaction)
                .await
                .map_err(self.failed("wait for the other writers"))?;
        }
        #[cfg(not(feature = "postgres"))]
        let _ = &mut tx;
        Ok(tx)
    }

    async fn begin(&self, sqlite: &'static str, postgres: &'static str) -> Result<Tx> {
        let _ = (sqlite, postgres);
        match &self.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(pool) => pool.begin_with(sqlite).await.map(Tx::Sqlite),
            #[cfg(feature = "postgres")]
            Pool::Postgres(pool) => pool.begin_with(postgres).await.map(Tx::Postgres),
        }
        .map_err(self.failed("begin a transaction"))
    }

    pub(crate) async fn commit(&self, tx: Tx) -> Result<()> {
        match tx {
            #[cfg(feature = "sqlite")]
            Tx::Sqlite(transaction) => transaction.commit().await,
            #[cfg(feature = "postgres")]
            Tx::Postgres(transaction) => transaction.commit().await,
        }
        .map_err(self.failed("commit"))
    }

    /// Runs a statement that returns nothing.
    pub(crate) async fn execute(&self, tx: &mut Tx, sql: &'static str, values: &[Value<'_>]) -> Result<()> {
        on!(tx, connection => bind!(sqlx::query(sql), values).execute(connection).await.map(drop))
            .map_err(self.failed("write"))
    }

    /// Pours rows, value after value, into a table: COPY on PostgreSQL, many rows a statement elsewhere.
    pub(crate) async fn insert(&self, tx: &mut Tx, table: Table, values: &[Value<'_>]) -> Result<()> {
        #[cfg(feature = "postgres")]
        #[allow(irrefutable_let_patterns, reason = "refutable where sqlite is on too")]
        if let Tx::Postgres(transaction) = tx
            && table.replace_by.is_empty()
        {
            return copy_in(transaction, table, values)
                .await
                .map_err(self.failed("copy rows"));
        }
        // SQLite takes 32,766 values in a statement.
        let width = table.columns.len();
        for rows in values.chunks(32_000 / width * width) {
            let sql = insert_sql(table, rows.len() / width, tx.numbers_parameters());
            on!(tx, connection => {
                bind!(sqlx::query(AssertSqlSafe(sql).into_sql_str()).persistent(false), rows).execute(connection).await.map(drop)
            })
            .map_err(self.failed("insert rows"))?;
        }
        Ok(())
    }

    /// Makes an error of what the database said.
    pub(crate) fn failed(&self, action: &'static str) -> impl Fn(sqlx::Error) -> Error {
        let url = self.url.clone();
        move |source| Error::Store {
            action,
            url: url.clone(),
            source: source.into(),
        }
    }

    /// The address, without its password.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A column of text to sort by, the same on both databases: by bytes.
    pub(crate) fn by_bytes(&self, column: &str) -> String {
        match self.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(_) => column.to_owned(),
            #[cfg(feature = "postgres")]
            Pool::Postgres(_) => format!("{column} COLLATE \"C\""),
        }
    }

    pub(crate) async fn close(&self) {
        match &self.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(pool) => pool.close().await,
            #[cfg(feature = "postgres")]
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

/// Every migration there ever was, oldest first. A released one is never edited.
fn migrations() -> Migrator {
    let initial = include_str!("../migrations/0001_initial.sql").into_sql_str();
    Migrator::with_migrations(vec![Migration::new(
        1,
        "initial".into(),
        MigrationType::Simple,
        initial,
        false,
    )])
}

/// How long an operation on SQLite waits for another: a sync of a survey may hold the lock for minutes.
#[cfg(feature = "sqlite")]
const PATIENCE: Duration = Duration::from_secs(3600);
/// How long a PostgreSQL server that was there may be out of reach. (Waiting for its lock is no such time.)
#[cfg(feature = "postgres")]
const OUT_OF_REACH: Duration = Duration::from_secs(30);

#[cfg(feature = "postgres")]
async fn open_postgres(url: &str) -> sqlx::Result<sqlx::PgPool> {
    use sqlx::Connection as _;

    let options: sqlx::postgres::PgConnectOptions = url.parse()?;
    // Whether the server is there at all shows at once, and not when the pool's patience ends.
    sqlx::ConnectOptions::connect(&options).await?.close().await?;
    sqlx::postgres::PgPoolOptions::new()
        .acquire_timeout(OUT_OF_REACH)
        .connect_with(options)
        .await
}

#[cfg(feature = "sqlite")]
async fn open_sqlite(url: &str) -> sqlx::Result<sqlx::SqlitePool> {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
    let options: SqliteConnectOptions = url.parse()?;
    // A database in memory lives and dies with its one connection.
    let in_memory = url.contains(":memory:") || url.contains("mode=memory");
    let pool = SqlitePoolOptions::new()
        .acquire_timeout(PATIENCE)
        .max_connections(if in_memory { 1 } else { 4 });
    let pool = if in_memory {
        pool.min_connections(1).idle_timeout(None).max_lifetime(None)
    } else {
        pool
    };
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(PATIENCE);
    pool.connect_with(options).await
}

/// SQLite looks for every numbered parameter among all others, so thousands of them need to be nameless there.
fn insert_sql(table: Table, rows: usize, numbered: bool) -> String {
    let Table {
        name,
        columns,
        replace_by,
    } = table;
    let mut sql = format!("INSERT INTO {name} ({}) VALUES ", columns.join(", "));
    let mut parameter = 0;
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns.len() {
            parameter += 1;
            let comma = if column == 0 { "" } else { ", " };
            let _ = if numbered {
                write!(sql, "{comma}${parameter}")
            } else {
                write!(sql, "{comma}?")
            };
        }
        sql.push(')');
    }
    if !replace_by.is_empty() {
        let _ = write!(sql, " ON CONFLICT ({}) DO UPDATE SET ", replace_by.join(", "));
        let rest = columns.iter().filter(|column| !replace_by.contains(column));
        let updates: Vec<String> = rest.map(|column| format!("{column} = excluded.{column}")).collect();
        sql.push_str(&updates.join(", "));
    }
    sql
}

#[cfg(feature = "postgres")]
async fn copy_in(connection: &mut sqlx::PgConnection, table: Table, values: &[Value<'_>]) -> sqlx::Result<()> {
    let statement = format!("COPY {} ({}) FROM STDIN", table.name, table.columns.join(", "));
    let mut copy = connection.copy_in_raw(&statement).await?;
    let mut text = String::new();
    for row in values.chunks(table.columns.len()) {
        for (column, value) in row.iter().enumerate() {
            if column > 0 {
                text.push('\t');
            }
            copy_text(&mut text, value);
        }
        text.push('\n');
        if text.len() > 1 << 20 {
            copy.send(text.as_bytes()).await?;
            text.clear();
        }
    }
    copy.send(text.as_bytes()).await?;
    copy.finish().await?;
    Ok(())
}

/// The text form of COPY: `\N` is NULL, and a backslash, tab or line end is escaped.
#[cfg(feature = "postgres")]
fn copy_text(text: &mut String, value: &Value<'_>) {
    let _ = match value {
        Value::Int(Some(x)) => write!(text, "{x}"),
        Value::Real(Some(x)) if !x.is_nan() => write!(text, "{x:?}"),
        Value::Text(Some(x)) => {
            for c in x.chars() {
                match c {
                    '\\' => text.push_str("\\\\"),
                    '\t' => text.push_str("\\t"),
                    '\n' => text.push_str("\\n"),
                    '\r' => text.push_str("\\r"),
                    // PostgreSQL's text cannot hold a zero byte.
                    '\0' => text.push('\u{fffd}'),
                    _ => text.push(c),
                }
            }
            Ok(())
        }
        Value::Int(None) | Value::Real(_) | Value::Text(None) => write!(text, "\\N"),
    };
}

/// `postgres://user:secret@host/db?password=secret` is shown as `postgres://user@host/db`.
fn without_password(url: &str) -> String {
    let (address, query) = url
        .split_once('?')
        .map_or((url, None), |(address, query)| (address, Some(query)));
    let address = match address
        .split_once("://")
        .and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)))
    {
        Some((scheme, (user, host))) => format!("{scheme}://{}@{host}", user.split(':').next().unwrap_or_default()),
        None => address.to_owned(),
    };
    let options = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|option| !option.starts_with("password="));
    let options: Vec<&str> = options.collect();
    if options.is_empty() {
        address
    } else {
        format!("{address}?{}", options.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(
            without_password("postgres://ann:s3cret@db:5432/ard"),
            "postgres://ann@db:5432/ard"
        );
        assert_eq!(without_password("postgres://ann:p@ss@db/ard"), "postgres://ann@db/ard");
        assert_eq!(without_password("sqlite:ard.db"), "sqlite:ard.db");
        assert_eq!(
            without_password("postgres://db/ard?user=a&password=s3cret"),
            "postgres://db/ard?user=a"
        );
        assert_eq!(
            without_password("postgres://db/ard?password=s3cret"),
            "postgres://db/ard"
        );
        assert_eq!(without_password("sqlite:a.db?mode=rwc"), "sqlite:a.db?mode=rwc");
    }

    #[test]
    fn inserts_are_numbered_and_replace() {
        let table = Table {
            name: "t",
            columns: &["a", "b"],
            replace_by: &["a"],
        };
        assert_eq!(
            insert_sql(table, 2, true),
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT (a) DO UPDATE SET b = excluded.b"
        );
        assert_eq!(
            insert_sql(
                Table {
                    replace_by: &[],
                    ..table
                },
                1,
                false
            ),
            "INSERT INTO t (a, b) VALUES (?, ?)"
        );
    }
}
