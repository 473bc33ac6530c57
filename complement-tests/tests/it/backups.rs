//! Copying a server's data, and finding damage in it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use heliograph_complement::{Options, TestServer};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_backup_restored_elsewhere_has_everything_and_a_flipped_byte_is_found() {
    let mut server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let mut sent = Vec::new();
    for number in 0..30 {
        sent.push(alice.say(&room, &format!("{number}")).await);
    }
    server.stop().await;
    let backup = server.folder().join("backup");
    let (fine, said) = server.command(&["backup", backup.to_str().unwrap()]);
    assert!(fine, "backup: {said}");
    server.start_again().await;
    let late = alice.say(&room, "after the backup").await;
    let token = alice.sync_token().await;

    let elsewhere = tempfile::tempdir().unwrap();
    let data = elsewhere.path().join("data");
    let words = ["restore", backup.to_str().unwrap(), data.to_str().unwrap()];
    let (fine, said) = server.command(&words);
    assert!(fine, "restore: {said}");
    server.stop().await;
    let other = TestServer::start(Options::new().in_folder(elsewhere.path())).await;
    let restored = other.client().login("alice").await;
    let history = restored.whole_history(&room, "f", 100).await;
    let text = serde_json::Value::Array(history).to_string();
    for event in &sent {
        assert!(
            text.contains(event),
            "{event} was acknowledged before the backup"
        );
    }
    assert!(
        !text.contains(&late),
        "what came after the backup is not in it"
    );
    let event = restored.say(&room, "a new life").await;
    let news = restored.sync(&format!("since={token}&timeout=0")).await;
    let told = news.to_string();
    assert!(
        told.contains(&event),
        "a token of after the backup skips nothing: {told}"
    );
    drop(other);

    let path = backup.to_str().unwrap();
    let (fine, said) = server.command(&["verify", path]);
    assert!(fine, "verify of a whole backup: {said}");
    for file in files(&backup) {
        let whole = fs::read(&file).unwrap();
        if whole.is_empty() {
            continue;
        }
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        fs::write(&file, damaged).unwrap();
        let (fine, said) = server.command(&["verify", path]);
        assert!(
            !fine,
            "a flipped byte in {} was not found: {said}",
            file.display()
        );
        fs::write(&file, whole).unwrap();
    }
}
