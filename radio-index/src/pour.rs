//! Pouring many rows into a table: binary COPY on PostgreSQL, one prepared statement on SQLite.

use crate::Result;
use crate::store::{Store, Tx};

/// A table that rows of `N` cells are poured into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<const N: usize> {
    pub(crate) name: &'static str,
    pub(crate) columns: [&'static str; N],
    /// Columns that identify a row which is to be replaced; empty where a second row is an error.
    pub(crate) replace_by: &'static [&'static str],
    /// Was the table emptied in this transaction? PostgreSQL then stores its rows as settled ones.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "SQLite has no such thing"))]
    pub(crate) is_fresh: bool,
}

/// One value of a row on its way into a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    /// For a column of 64 bits (BIGINT).
    Int(i64),
    /// For a column of 32 bits (INTEGER).
    Small(i32),
    /// NaN becomes NULL: SQLite has no NaN, and PostgreSQL sorts it above all.
    Real(f64),
    Text(&'a str),
}

impl Cell<'_> {
    pub(crate) fn int(x: Option<i64>) -> Self {
        x.map_or(Self::Null, Self::Int)
    }

    pub(crate) fn real(x: Option<f64>) -> Self {
        x.map_or(Self::Null, Self::Real)
    }
}

impl<'a> Cell<'a> {
    pub(crate) fn text(x: Option<&'a str>) -> Self {
        x.map_or(Self::Null, Self::Text)
    }
}

impl Store {
    /// Opens a table for rows: [`Pouring::fill`] takes them, [`Pouring::send`] passes them on, [`Pouring::end`] waits until
    /// they are there.
    ///
    /// Rows are iterators over what is borrowed, and no future could hold those and still move between threads. So the
    /// waiting is done before and after them.
    pub(crate) async fn pouring<'t, const N: usize>(
        &'t self,
        tx: &'t mut Tx,
        table: Table<N>,
    ) -> Result<Pouring<'t, N>> {
        let into = match tx {
            #[cfg(feature = "sqlite")]
            Tx::Sqlite(transaction) => {
                Into::Sqlite(transaction.lock_handle().await.map_err(self.failed("insert rows"))?)
            }
            #[cfg(feature = "postgres")]
            Tx::Postgres(transaction) => {
                if table.replace_by.is_empty() {
                    let copy = postgres::open(transaction, table.name, &table.columns, table.is_fresh).await;
                    Into::Copy(copy.map_err(self.failed("copy rows"))?, postgres::begin())
                } else {
                    Into::Replace(transaction, postgres::begin())
                }
            }
        };
        Ok(Pouring {
            store: self,
            table,
            into,
            count: 0,
        })
    }
}

/// A table that is open for rows.
pub(crate) struct Pouring<'t, const N: usize> {
    store: &'t Store,
    table: Table<N>,
    into: Into<'t>,
    count: u64,
}

enum Into<'t> {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::LockedSqliteHandle<'t>),
    /// COPY, with what is to be sent.
    #[cfg(feature = "postgres")]
    Copy(sqlx::postgres::PgCopyIn<&'t mut sqlx::PgConnection>, Vec<u8>),
    /// With what is to be sent in the end, since it replaces other rows.
    #[cfg(feature = "postgres")]
    Replace(&'t mut sqlx::PgConnection, Vec<u8>),
}

impl<const N: usize> Pouring<'_, N> {
    pub(crate) fn fill<'a>(&mut self, rows: impl IntoIterator<Item = [Cell<'a>; N]>) -> Result<()> {
        self.count += match &mut self.into {
            #[cfg(feature = "sqlite")]
            Into::Sqlite(handle) => {
                sqlite::insert(handle, &self.table, rows).map_err(|e| self.store.error("insert rows", e.into()))?
            }
            #[cfg(feature = "postgres")]
            Into::Copy(_, bytes) | Into::Replace(_, bytes) => postgres::encode_rows(bytes, rows),
        };
        Ok(())
    }

    /// Passes on what there is, so that memory stays bounded and the server has work while more is made.
    pub(crate) async fn send(&mut self) -> Result<()> {
        match &mut self.into {
            #[cfg(feature = "postgres")]
            Into::Copy(copy, bytes) => postgres::send(copy, bytes)
                .await
                .map_err(self.store.failed("copy rows")),
            _ => Ok(()),
        }
    }

    /// Returns how many rows there were.
    pub(crate) async fn end(self) -> Result<u64> {
        match self.into {
            #[cfg(feature = "sqlite")]
            Into::Sqlite(_) => {}
            #[cfg(feature = "postgres")]
            Into::Copy(copy, bytes) => postgres::finish(copy, bytes)
                .await
                .map_err(self.store.failed("copy rows"))?,
            #[cfg(feature = "postgres")]
            Into::Replace(connection, bytes) => postgres::replace(connection, &self.table, bytes)
                .await
                .map_err(self.store.failed("copy rows"))?,
        }
        Ok(self.count)
    }
}

/// `ON CONFLICT … DO UPDATE` for the columns that identify a row; nothing where there are none.
fn on_conflict<const N: usize>(table: &Table<N>) -> String {
    if table.replace_by.is_empty() {
        return String::new();
    }
    let rest = table.columns.iter().filter(|column| !table.replace_by.contains(column));
    let updates: Vec<String> = rest.map(|column| format!("{column} = excluded.{column}")).collect();
    format!(
        " ON CONFLICT ({}) DO UPDATE SET {}",
        table.replace_by.join(", "),
        updates.join(", ")
    )
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use sqlx::sqlite::LockedSqliteHandle;

    use super::{Cell, Table, on_conflict};

    /// Runs one prepared statement for each row.
    ///
    /// sqlx sends every statement to another thread with a copy of its values, which takes twice as long as the insert
    /// itself. rusqlite's statements run here, on the connection and in the transaction that sqlx began.
    #[expect(
        unsafe_code,
        reason = "the one way to use a connection of sqlx with rusqlite's statements"
    )]
    pub(super) fn insert<'a, const N: usize>(
        locked: &mut LockedSqliteHandle<'_>,
        table: &Table<N>,
        rows: impl IntoIterator<Item = [Cell<'a>; N]>,
    ) -> rusqlite::Result<u64> {
        // SAFETY: the pointer is a valid, open connection: `locked` holds it, outlives this function, and keeps sqlx's own
        // thread from using it meanwhile. `from_handle` takes no ownership, so dropping `connection` does not close it.
        let connection = unsafe { rusqlite::Connection::from_handle(locked.as_raw_handle().as_ptr()) }?;
        let places = vec!["?"; N].join(", ");
        let mut statement = connection.prepare(&format!(
            "INSERT INTO {} ({}) VALUES ({places}){}",
            table.name,
            table.columns.join(", "),
            on_conflict(table)
        ))?;
        let mut count = 0;
        for row in rows {
            for (number, cell) in (1..).zip(row) {
                match cell {
                    Cell::Int(x) => statement.raw_bind_parameter(number, x),
                    Cell::Small(x) => statement.raw_bind_parameter(number, x),
                    Cell::Real(x) if !x.is_nan() => statement.raw_bind_parameter(number, x),
                    Cell::Text(x) => statement.raw_bind_parameter(number, x),
                    Cell::Null | Cell::Real(_) => statement.raw_bind_parameter(number, rusqlite::types::Null),
                }?;
            }
            statement.raw_execute()?;
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use sqlx::postgres::PgCopyIn;
    use sqlx::{AssertSqlSafe, PgConnection};

    use super::{Cell, Table, on_conflict};

    /// Bytes that are sent together.
    const PIECE: usize = 1 << 20;

    /// What binary COPY begins with: its signature, no flags, no extension.
    pub(super) fn begin() -> Vec<u8> {
        b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec()
    }

    pub(super) fn encode_rows<'a, const N: usize>(
        bytes: &mut Vec<u8>,
        rows: impl IntoIterator<Item = [Cell<'a>; N]>,
    ) -> u64 {
        let mut count = 0;
        for row in rows {
            bytes.extend_from_slice(&(N as u16).to_be_bytes());
            row.iter().for_each(|cell| encode(bytes, cell));
            count += 1;
        }
        count
    }

    pub(super) async fn open<'t>(
        connection: &'t mut PgConnection,
        name: &str,
        columns: &[&str],
        is_fresh: bool,
    ) -> sqlx::Result<PgCopyIn<&'t mut PgConnection>> {
        let columns = columns.join(", ");
        let freeze = if is_fresh { ", FREEZE" } else { "" };
        let statement = format!("COPY {name} ({columns}) FROM STDIN WITH (FORMAT binary{freeze})");
        connection.copy_in_raw(&statement).await
    }

    pub(super) async fn send(copy: &mut PgCopyIn<&mut PgConnection>, bytes: &mut Vec<u8>) -> sqlx::Result<()> {
        for piece in bytes.chunks(PIECE) {
            copy.send(piece).await?;
        }
        bytes.clear();
        Ok(())
    }

    pub(super) async fn finish(mut copy: PgCopyIn<&mut PgConnection>, mut bytes: Vec<u8>) -> sqlx::Result<()> {
        // The end of binary COPY.
        bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        send(&mut copy, &mut bytes).await?;
        copy.finish().await.map(drop)
    }

    /// COPY into a table for the moment, and from there on.
    pub(super) async fn replace<const N: usize>(
        connection: &mut PgConnection,
        table: &Table<N>,
        bytes: Vec<u8>,
    ) -> sqlx::Result<()> {
        let (name, columns) = (table.name, table.columns.join(", "));
        let poured = format!("poured_{name}");
        let create = format!("CREATE TEMPORARY TABLE {poured} (LIKE {name}) ON COMMIT DROP");
        sqlx::query(AssertSqlSafe(create)).execute(&mut *connection).await?;
        let copy = open(connection, &poured, &table.columns, false).await?;
        finish(copy, bytes).await?;
        let insert = format!(
            "INSERT INTO {name} ({columns}) SELECT {columns} FROM {poured}{}",
            on_conflict(table)
        );
        sqlx::query(AssertSqlSafe(insert)).execute(&mut *connection).await?;
        sqlx::query(AssertSqlSafe(format!("DROP TABLE {poured}")))
            .execute(connection)
            .await
            .map(drop)
    }

    /// The binary form of COPY: the length, then the value, both with the highest byte first. The length of NULL is -1.
    fn encode(bytes: &mut Vec<u8>, cell: &Cell<'_>) {
        let mut fixed = |length: i32, value: &[u8]| {
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(value);
        };
        match cell {
            Cell::Int(x) => fixed(8, &x.to_be_bytes()),
            Cell::Small(x) => fixed(4, &x.to_be_bytes()),
            Cell::Real(x) if !x.is_nan() => fixed(8, &x.to_be_bytes()),
            // PostgreSQL's text cannot hold a zero byte.
            Cell::Text(x) if x.contains('\0') => encode(bytes, &Cell::Text(&x.replace('\0', "\u{fffd}"))),
            Cell::Text(x) => fixed(i32::try_from(x.len()).unwrap_or_default(), x.as_bytes()),
            Cell::Null | Cell::Real(_) => fixed(-1, &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_replace_their_like() {
        let table = Table {
            name: "t",
            columns: ["a", "b", "c"],
            replace_by: &["a"],
            is_fresh: false,
        };
        assert_eq!(
            on_conflict(&table),
            " ON CONFLICT (a) DO UPDATE SET b = excluded.b, c = excluded.c"
        );
        assert_eq!(
            on_conflict(&Table {
                replace_by: &[],
                ..table
            }),
            ""
        );
    }
}
