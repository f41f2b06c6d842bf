//! Pages of the book that are made from tables in the code.
//!
//! Each test makes its page anew and compares it with the file, so a page cannot fall behind the
//! code. `UPDATE=1 cargo tidy --test book` writes the files instead.

use std::env;
use std::fmt::Write as _;
use std::fs;

use server::settings::{Change, Group, Setting, TABLE};
use tidy::walk;

/// Compares a page with what it should be, or writes it if `UPDATE` is set.
fn hold(page: &str, wanted: &str) {
    let path = walk::root().join("docs/src").join(page);
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, wanted).expect("the page can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let same = found.lines().zip(wanted.lines()).take_while(|(found, wanted)| found == wanted);
    let line = same.count() + 1;
    assert!(
        found == wanted,
        "docs/src/{page} is behind the code from line {line}: run `UPDATE=1 cargo tidy --test book`"
    );
}

/// Text inside a table's cell: a bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", cell(text)) }
}

fn setting_row(setting: &Setting) -> String {
    let running = if setting.change == Change::Running { "yes" } else { "" };
    format!(
        "| `{}` | {} | {} | {running} | {} |\n",
        setting.name,
        code(setting.shape),
        code(setting.default),
        cell(setting.summary),
    )
}

fn settings_page() -> String {
    let mut page = String::from(
        "# Settings\n\n\
         <!-- Made from the settings table: UPDATE=1 cargo tidy --test book -->\n\n\
         Each setting is an option of the command line (`--name value`) and an environment\n\
         variable (`ZUMIC_` and the name in capitals, `_` for `-`); the command line wins. CONFIG\n\
         GET shows it, and CONFIG SET changes it where the column \"running\" says yes.\n",
    );
    for group in Group::ALL {
        let rows: String = TABLE.iter().filter(|row| row.group == group).map(setting_row).collect();
        if !rows.is_empty() {
            let head = "| setting | value | default | running | meaning |";
            let rule = "| --- | --- | --- | --- | --- |";
            writeln!(page, "\n## {}\n\n{head}\n{rule}\n{}", group.title(), rows.trim_end())
                .expect("writing to a String cannot fail");
        }
    }
    page
}

#[test]
fn the_settings_page_is_what_the_table_says() {
    let page = settings_page();
    assert!(page.contains("| `port` |"), "the table was read");
    hold("settings.md", &page);
}

#[test]
fn the_commands_page_is_what_the_table_says() {
    let page = engine::commands::book();
    assert!(page.contains("INCRBYFLOAT"), "the table was read");
    hold("commands.md", &page);
}
