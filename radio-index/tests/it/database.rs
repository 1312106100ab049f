//! Both databases, for every test that needs one.

use std::path::Path;
use std::process::Command;

use radio_index::Index;

/// Runs a test on an empty index of every database that this machine has: SQLite always, PostgreSQL where it is
/// installed and the feature is on.
pub(crate) async fn on_every_database(test: impl AsyncFn(Index, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("index.db").display());
    test(Index::open(&url).await.unwrap(), folder.path()).await;

    #[cfg(feature = "postgres")]
    if postgres_is_installed() {
        let folder = tempfile::tempdir().unwrap();
        let server = pgtemp::PgTempDB::async_new().await;
        let index = Index::open(&server.connection_uri()).await.unwrap();
        test(index.clone(), folder.path()).await;
        index.close().await;
    } else {
        eprintln!("SKIPPED on PostgreSQL: initdb is not on the PATH (as root, sudo has to be there too)");
    }
    #[cfg(not(feature = "postgres"))]
    let _ = postgres_is_installed;
}

fn postgres_is_installed() -> bool {
    let runs = |program: &str| {
        Command::new(program)
            .arg("--version")
            .output()
            .is_ok_and(|o| o.status.success())
    };
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    runs("initdb") && (!is_root || runs("sudo"))
}
