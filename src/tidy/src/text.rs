//! The rules for every file that is text.

use crate::Finding;

/// Folders of one machine. In two parts, so that this file keeps its own rule.
const MACHINE_FOLDERS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/tmp/", "bash"),
];

/// Checks `content`, the text at `file`.
pub(crate) fn check(file: &str, content: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(content.lines()) {
        if MACHINE_FOLDERS
            .iter()
            .any(|folder| names_folder(line, folder))
        {
            findings.push(Finding::new(file, number, "names a folder of one machine"));
        }
    }
    findings
}

/// Whether `line` names `folder` from the root, not as a part of a longer path such as `src/work/`.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(position, _)| {
        let before = line.split_at(position).0;
        !before.ends_with(|c: char| c.is_alphanumeric() || "_-.}~*/".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_one_machine_are_found() {
        for folder in MACHINE_FOLDERS {
            let lines = [
                format!("a\npath = \"{folder}x\""),
                format!("a\n({folder}x)"),
                format!("a\n{folder}"),
            ];
            for content in lines {
                let found = check("a.md", &content);
                assert_eq!(
                    found,
                    [Finding::new("a.md", 2, "names a folder of one machine")],
                    "{content}"
                );
            }
            for content in [
                format!("src{folder}lib.rs"),
                format!("..{folder}"),
                format!("$HOME}}{folder}"),
            ] {
                assert_eq!(check("a.md", &content), [], "{content}");
            }
        }
    }
}
