//! The two databases behind one door. SQL is written once, in the dialect that both understand.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::migrate::MigrateError;

use crate::migrations::migrations;
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
                $crate::store::Value::Real(x) => query.bind(Some(*x).filter(|x| !x.is_nan())),
                $crate::store::Value::Text(x) => query.bind(x.clone()),
            };
        }
        query
    }};
}
pub(crate) use bind;

/// A value that a query is given: an integer, a real number or a text.
///
/// ```
/// use radio_index::{Selection, Value};
///
/// let selection = Selection::all().matching("deltachi2 > ? AND spectype = ?", [Value::from(40.0), Value::from("GALAXY")]);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A 64-bit integer.
    Int(i64),
    /// A real number; NaN is NULL, to which nothing compares.
    Real(f64),
    /// A text. Whatever stands in it, it is a value and never SQL.
    Text(String),
}

impl From<i64> for Value {
    fn from(x: i64) -> Self {
        Self::Int(x)
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Self {
        Self::Real(x)
    }
}

impl From<&str> for Value {
    fn from(x: &str) -> Self {
        Self::Text(x.to_owned())
    }
}

impl From<String> for Value {
    fn from(x: String) -> Self {
        Self::Text(x)
    }
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

/// Which of the two databases, where they need other words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(all(feature = "sqlite", feature = "postgres")),
    allow(dead_code, reason = "both are spoken of, one is there")
)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
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
        let this = Self {
            pool,
            url: shown.clone(),
        };
        if this.is_current().await {
            return Ok(this);
        }
        match &this.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(pool) => {
                // sqlx takes no lock here, and two programs may open a new file at once.
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.map_err(|e| failed(e.into()))?;
                match migrations("sqlite").run(&mut *tx).await {
                    Ok(()) => tx.commit().await.map_err(Into::into),
                    Err(error) => Err(error),
                }
            }
            #[cfg(feature = "postgres")]
            Pool::Postgres(pool) => migrations("postgres").run(pool).await,
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
        Ok(this)
    }

    /// Are the tables there, and of this version? Then nothing is written, so that a database that cannot be written can be
    /// read.
    async fn is_current(&self) -> bool {
        type Applied = Vec<(i64, Vec<u8>)>;
        const SQL: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
        let (applied, wanted): (sqlx::Result<Applied>, _) = match &self.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(pool) => (sqlx::query_as(SQL).fetch_all(pool).await, migrations("sqlite")),
            #[cfg(feature = "postgres")]
            Pool::Postgres(pool) => (sqlx::query_as(SQL).fetch_all(pool).await, migrations("postgres")),
        };
        // Where there is no such table, it is new.
        applied.is_ok_and(|applied| {
            let wanted = wanted
                .iter()
                .map(|migration| (migration.version, migration.checksum.to_vec()));
            wanted.eq(applied)
        })
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

    /// Runs a statement with values.
    pub(crate) async fn execute(&self, tx: &mut Tx, sql: impl Into<String>, values: &[Value]) -> Result<u64> {
        let sql = sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(sql.into()));
        on!(tx, connection => bind!(sqlx::query(sql), values).execute(connection).await.map(|done| done.rows_affected()))
            .map_err(self.failed("write"))
    }

    /// Makes an error of what the database said.
    pub(crate) fn failed(&self, action: &'static str) -> impl Fn(sqlx::Error) -> Error {
        move |source| self.error(action, source.into())
    }

    pub(crate) fn error(&self, action: &'static str, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::Store {
            action,
            url: self.url.clone(),
            source,
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(_) => Dialect::Sqlite,
            #[cfg(feature = "postgres")]
            Pool::Postgres(_) => Dialect::Postgres,
        }
    }

    /// What follows a commit: readers get at the rows as quickly as if those had been there for long.
    ///
    /// A new SQLite file begins with a rollback journal, which its first large sync needs: it writes a new page once, where
    /// a write-ahead log writes it twice. From here on readers and the writer work at the same time. Where another program
    /// is using the file, it stays with the journal until the next sync.
    pub(crate) async fn settle(&self, is_mostly_new: bool) -> Result<()> {
        #[cfg(feature = "postgres")]
        #[allow(irrefutable_let_patterns, reason = "refutable where sqlite is on too")]
        if let (Pool::Postgres(pool), true) = (&self.pool, is_mostly_new) {
            // An index answers alone only for rows that are known to be visible to all.
            sqlx::query("VACUUM galaxies")
                .execute(pool)
                .await
                .map_err(self.failed("settle the rows"))?;
        }
        #[cfg(not(feature = "postgres"))]
        let _ = is_mostly_new;
        #[cfg(feature = "sqlite")]
        #[allow(irrefutable_let_patterns, reason = "refutable where postgres is on too")]
        if let Pool::Sqlite(pool) = &self.pool {
            let failed = self.failed("set the journal mode");
            let mut connection = pool.acquire().await.map_err(&failed)?;
            let (mode,): (String,) = sqlx::query_as("PRAGMA journal_mode")
                .fetch_one(&mut *connection)
                .await
                .map_err(&failed)?;
            if mode == "delete" {
                let patience = PATIENCE.as_millis();
                let sql =
                    format!("PRAGMA busy_timeout = 100; PRAGMA journal_mode = WAL; PRAGMA busy_timeout = {patience}");
                let outcome = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await;
                if outcome.is_err() {
                    let sql = format!("PRAGMA busy_timeout = {patience}");
                    sqlx::raw_sql(AssertSqlSafe(sql))
                        .execute(&mut *connection)
                        .await
                        .map_err(&failed)?;
                }
            }
        }
        Ok(())
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
        // A COPY that was given up leaves answers on their way that sqlx does not expect, and takes for those of the next
        // query. Its ping is content with such a connection; a query that gets no row shows it, and the pool makes another.
        .test_before_acquire(false)
        .before_acquire(|connection, _| {
            Box::pin(async { sqlx::query("SELECT 1").fetch_one(connection).await.map(|_| true) })
        })
        .connect_with(options)
        .await
}

#[cfg(feature = "sqlite")]
async fn open_sqlite(url: &str) -> sqlx::Result<sqlx::SqlitePool> {
    use sqlx::Connection as _;
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
    let options: SqliteConnectOptions = url.parse()?;
    // A database in memory lives and dies with its one connection.
    let in_memory = url.contains(":memory:") || url.contains("mode=memory");
    let pool = SqlitePoolOptions::new()
        .acquire_timeout(PATIENCE)
        .max_connections(if in_memory { 1 } else { 4 });
    let pool = if in_memory {
        pool.min_connections(1).idle_timeout(None).max_lifetime(None)
    } else {
        // A full disk ends a transaction without sqlx's knowledge, and a connection that believes in it is of no use.
        pool.before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
    };
    let options = options
        .create_if_missing(true)
        .synchronous(SqliteSynchronous::Full)
        // Memory that sorting an index and caching pages may take, KiB, and threads that sort.
        .pragma("cache_size", "-8192")
        .pragma("threads", "4")
        .busy_timeout(PATIENCE);
    pool.connect_with(options).await
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
}
