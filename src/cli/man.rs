//! `keyward man`: a manual page for each command, made from the same definitions as `--help`.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use serde_json::json;

use super::Cli;
use super::output::Output;
use crate::config::HELP_HEADING;
use crate::error::Error;

#[derive(Args)]
pub struct Man {
    /// Existing directory, such as /usr/local/share/man/man1; pages of an older version are replaced
    directory: PathBuf,
}

impl Man {
    pub fn run(self) -> Result<Output, Error> {
        let mut root = Cli::command().disable_help_subcommand(true);
        root.build();
        let mut files = Vec::new();
        write_pages(&root, Page::Root, &self.directory, &mut files)?;
        files.sort();
        let words = format!(
            "Wrote {} manual pages to {}",
            files.len(),
            self.directory.display()
        );
        Ok(Output::new(&json!({"files": files}), words))
    }
}

/// Which settings a page describes. The page of the root command has all of them, and the pages of the
/// subcommands refer to it, since every command takes the same settings.
#[derive(Clone, Copy)]
enum Page {
    Root,
    Subcommand,
}

/// Writes the page of a command and the pages of its subcommands.
fn write_pages(
    command: &clap::Command,
    page: Page,
    directory: &Path,
    files: &mut Vec<String>,
) -> Result<(), Error> {
    let visible = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    for subcommand in visible {
        write_pages(subcommand, Page::Subcommand, directory, files)?;
    }
    let name = command.get_display_name().unwrap_or("keyward");
    let path = directory.join(format!("{name}.1"));
    render(command, page)
        .and_then(|text| std::fs::write(&path, text))
        .map_err(|error| {
            Error::server_error(format!("cannot write {}: {error}", path.display()))
        })?;
    files.push(path.display().to_string());
    Ok(())
}

fn render(command: &clap::Command, page: Page) -> io::Result<Vec<u8>> {
    let short = clap_mangen::Man::new(without_settings(command.clone()))
        .source(concat!("keyward ", env!("CARGO_PKG_VERSION")))
        .manual("Keyward");
    let mut text = Vec::new();
    short.render_title(&mut text)?;
    short.render_name_section(&mut text)?;
    // Forty settings would hide the arguments of the command.
    short.render_synopsis_section(&mut text)?;
    short.render_description_section(&mut text)?;
    match page {
        Page::Root => {
            clap_mangen::Man::new(command.clone()).render_options_section(&mut text)?;
        }
        Page::Subcommand => {
            short.render_options_section(&mut text)?;
            text.extend_from_slice(
                b".SH SETTINGS\nThe settings, which every command takes, are described in \\fBkeyward\\fR(1).\n",
            );
        }
    }
    if command.has_subcommands() {
        short.render_subcommands_section(&mut text)?;
    }
    Ok(text)
}

fn without_settings(command: clap::Command) -> clap::Command {
    command.mut_args(|argument| {
        let is_setting = argument.get_help_heading() == Some(HELP_HEADING);
        argument.hide(is_setting)
    })
}
