//! Files on disk.

use std::fs;

use radio_datasheet::{Datasheet, Error};
use radio_index::Summary;

use crate::sample::{answers, survey};

#[test]
fn a_datasheet_and_its_figures_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let (mut summary, answers) = (survey(), answers());
    let path = Datasheet::new(&summary, &answers).write(folder.path()).unwrap();
    assert_eq!(path, folder.path().join("DATA_README.md"));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, Datasheet::new(&summary, &answers).render(None).unwrap());
    for figure in Datasheet::new(&summary, &answers).figures().unwrap() {
        assert_eq!(
            fs::read_to_string(folder.path().join(figure.path())).unwrap(),
            figure.svg
        );
        assert!(text.contains(&format!("]({})", figure.path())));
    }

    // A figure without numbers goes; temporary files do not stay.
    summary.catalogue.classes.clear();
    Datasheet::new(&summary, &answers).write(folder.path()).unwrap();
    let mut names: Vec<_> = fs::read_dir(folder.path().join(Datasheet::FIGURES_FOLDER))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["datasheet.schema.json", "redshifts.svg", "sky.svg"]);
    // The datasheet for people, for programs and for loaders, and the folder of figures.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn an_edited_block_stays_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (summary, answers) = (survey(), answers());
    let path = Datasheet::new(&summary, &answers).write(folder.path()).unwrap();
    let edited = fs::read_to_string(&path).unwrap().replace("61,250", "61,251");
    fs::write(&path, &edited).unwrap();
    let empty = Summary::default();
    match Datasheet::new(&empty, &answers).write(folder.path()) {
        Err(Error::Edited { blocks }) => assert_eq!(blocks, ["header", "composition"]),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), edited);
    assert!(folder.path().join("DATA_README.files/sky.svg").exists());
}

#[test]
fn nothing_new_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let (summary, answers) = (survey(), answers());
    let sheet = Datasheet::new(&summary, &answers);
    let path = sheet.write(folder.path()).unwrap();
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    sheet.write(folder.path()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (summary, answers) = (Summary::default(), answers());
    let error = Datasheet::new(&summary, &answers)
        .write(folder.path().join("no"))
        .unwrap_err();
    assert!(
        matches!(&error, Error::Io { path, .. } if path.ends_with("no/DATA_README.files")),
        "{error:?}"
    );

    fs::write(folder.path().join("DATA_README.md"), [0xff, 0xfe]).unwrap();
    let error = Datasheet::new(&summary, &answers).write(folder.path()).unwrap_err();
    assert!(error.to_string().starts_with("cannot read "), "{error}");
}
