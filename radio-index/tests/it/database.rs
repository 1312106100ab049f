//! Both databases, for every test that needs one.

use std::io::Write as _;
use std::path::Path;

use radio_index::Index;

/// Runs a test on an empty index of every database that this machine has: SQLite always, PostgreSQL where it is
/// installed and the feature is on.
pub(crate) async fn on_every_database(test: impl AsyncFn(Index, &Path)) {
    on_every_database_at(async |url, folder| {
        let index = Index::open(url).await.unwrap();
        test(index.clone(), folder).await;
        index.close().await;
    })
    .await;
}

/// The same for a test that opens the index by its address.
pub(crate) async fn on_every_database_at(test: impl AsyncFn(&str, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("index.db").display());
    test(&url, folder.path()).await;

    #[cfg(feature = "postgres")]
    if let Some(server) = server().await {
        let folder = tempfile::tempdir().unwrap();
        test(&server.connection_uri(), folder.path()).await;
    }
}

/// A PostgreSQL server of its own, with an empty database, ready to be used; `None`, and a word about it, where there is none.
#[cfg(feature = "postgres")]
pub(crate) async fn server() -> Option<pgtemp::PgTempDB> {
    let Some(binaries) = postgres_binaries() else {
        skipped("on PostgreSQL: no initdb on the PATH or in /usr/lib/postgresql (as root, sudo is needed, too)");
        return None;
    };
    let server = pgtemp::PgTempDB::builder().with_bin_path(binaries).start_async().await;
    pool(&server.connection_uri()).await.close().await;
    Some(server)
}

/// Connections to a server that may just have been started, and takes its time.
#[cfg(feature = "postgres")]
pub(crate) async fn pool(url: &str) -> sqlx::PgPool {
    for _ in 0..600 {
        if let Ok(pool) = sqlx::PgPool::connect(url).await {
            return pool;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    sqlx::PgPool::connect(url).await.unwrap()
}

/// Where PostgreSQL's programs are. Debian does not put them on the PATH.
#[cfg(feature = "postgres")]
fn postgres_binaries() -> Option<std::path::PathBuf> {
    let is_root = std::process::Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|o| o.stdout == b"0\n");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.extend(std::env::split_paths(&path));
    // PostgreSQL refuses to run as root, and pgtemp needs sudo then.
    let can_run = !is_root || std::env::split_paths(&path).any(|folder| folder.join("sudo").exists());
    folders
        .into_iter()
        .find(|folder| can_run && folder.join("initdb").exists())
}

/// Says so past the test harness, which keeps the output of a test that passes to itself.
pub(crate) fn skipped(why: &str) {
    std::io::stderr()
        .write_all(format!("SKIPPED {why}\n").as_bytes())
        .unwrap();
}
