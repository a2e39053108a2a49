//! Confirmation of what cannot be undone.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;

use crate::error::{Code, Error};

/// The flag of commands that ask for confirmation.
#[derive(Args)]
pub struct Confirmation {
    /// Do not ask for confirmation on a terminal
    #[arg(long)]
    yes: bool,
}

impl Confirmation {
    /// Asks on an interactive terminal whether to go on. Scripts are not asked: without a terminal on
    /// standard input there is nobody who could answer.
    ///
    /// # Errors
    /// `invalid_request` if the answer is not yes.
    pub fn ask(&self, what: &str) -> Result<(), Error> {
        let mut prompt = std::io::stderr();
        let input = std::io::stdin();
        if self.yes || !input.is_terminal() || !prompt.is_terminal() {
            return Ok(());
        }
        let asked = write!(prompt, "{what} This cannot be undone. Continue? [y/N] ");
        let mut answer = String::new();
        let read = asked
            .and_then(|()| prompt.flush())
            .and_then(|()| input.lock().read_line(&mut answer));
        match (read, answer.trim().to_lowercase().as_str()) {
            (Ok(_), "y" | "yes") => Ok(()),
            _ => Err(Error::new(
                Code::InvalidRequest,
                "Not confirmed: nothing was changed",
            )),
        }
    }
}
