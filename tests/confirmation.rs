//! Commands that cannot be undone ask for confirmation on a terminal.

use std::process::Output;

use crate::support::tools::{Tool, variable};
use crate::support::{World, each_case, repository};

/// Whether a command asks.
enum Asks {
    /// Always, with these arguments.
    Always(&'static [&'static str]),
    /// Only with these arguments, and for the reason given not without them.
    With(&'static [&'static str]),
    /// Never: it destroys nothing, or what it changes can be changed back.
    Never,
    /// Never, for this reason.
    NeverAs(&'static str),
}

use Asks::{Always, Never, NeverAs, With};

/// Every command.
const COMMANDS: &[(&str, Asks)] = &[
    ("serve", NeverAs("the server has nobody to ask")),
    (
        "migrate",
        NeverAs("every start of the server does the same"),
    ),
    ("config", Never),
    ("check", Never),
    ("status", Never),
    ("demo", NeverAs("only in a new database")),
    ("openapi", Never),
    ("completions", Never),
    ("man", Never),
    ("account create", Never),
    ("account list", Never),
    ("account show", Never),
    ("account close", Always(&["Default"])),
    ("account delete", Always(&["Default", "--name", "Default"])),
    ("account reopen", Never),
    ("account update", Never),
    ("user create", Never),
    ("user list", Never),
    (
        "user invite",
        NeverAs("another link can be made at any time"),
    ),
    ("user set-role", Never),
    ("user set-preferences", Never),
    ("user reset-second-factor", Always(&["ada@acme.example"])),
    (
        "user set-password",
        NeverAs("the password is read from standard input"),
    ),
    ("user delete", Always(&["ada@acme.example"])),
    ("account-invitation create", Never),
    ("account-invitation list", Never),
    ("account-invitation delete", Always(&["INVITATION"])),
    ("client create", Never),
    ("client list", Never),
    ("client show", Never),
    ("client usage", Never),
    ("client update", Never),
    ("client disable", Never),
    ("client enable", Never),
    ("client renew-registration-token", Always(&["CLIENT"])),
    ("client revoke-registration-token", Always(&["CLIENT"])),
    ("client delete", Always(&["CLIENT"])),
    ("secret create", Never),
    ("secret rotate", With(&["CLIENT", "--grace", "0s"])),
    ("secret list", Never),
    ("secret usage", Never),
    ("secret update", Never),
    ("secret delete", Always(&["CLIENT", "SECRET"])),
    ("key create", Never),
    ("key list", Never),
    ("key usage", Never),
    ("key update", Never),
    ("key rotate", With(&["CLIENT", "KEY", "--grace", "0s"])),
    ("key delete", Always(&["CLIENT", "KEY"])),
    ("trust-rule create", Never),
    ("trust-rule list", Never),
    ("trust-rule show", Never),
    ("trust-rule disable", Never),
    ("trust-rule enable", Never),
    ("trust-rule delete", Always(&["RULE"])),
    ("trust-rule test", Never),
    ("resource create", Never),
    ("resource update", Never),
    ("resource list", Never),
    ("resource delete", Always(&["urn:orders"])),
    ("registration-token create", Never),
    ("registration-token list", Never),
    ("registration-token delete", Always(&["TOKEN"])),
    ("signing-key list", Never),
    ("signing-key show", Never),
    ("signing-key rotate", Never),
    ("signing-key import", Never),
    ("signing-key retire", Always(&["KID"])),
    ("sealing-key rotate", Always(&[])),
    ("sealing-key prune", Always(&[])),
    (
        "sealing-key reset",
        NeverAs("without --yes it changes nothing, and lists what is lost"),
    ),
    ("mail list", Never),
    ("mail test", Never),
    ("webhook create", Never),
    ("webhook list", Never),
    ("webhook show", Never),
    ("webhook update", Never),
    ("webhook disable", Never),
    ("webhook enable", Never),
    ("webhook delete", Always(&["WEBHOOK"])),
    ("webhook rotate-secret", With(&["WEBHOOK", "--grace", "0s"])),
    ("webhook deliveries", Never),
    ("webhook test", Never),
    ("webhook resend", Never),
    ("announcement create", Never),
    ("announcement list", Never),
    ("announcement update", Never),
    ("announcement delete", Always(&["ANNOUNCEMENT"])),
    ("audit list", Never),
    ("backup", NeverAs("never overwrites a file")),
    ("restore", Always(&["FILE"])),
    ("clock reset", Always(&[])),
    ("token inspect", Never),
    ("token revoke", Always(&["--client", "CLIENT"])),
    ("token list", Never),
];

/// Runs a command on a terminal of its own, on which the answer is typed.
fn on_terminal(world: &World, answer: &str, arguments: &[&str]) -> Output {
    let keyward = world.command(arguments);
    let mut command = std::process::Command::new(variable("TEST_PYTHON"));
    command
        .arg(repository("tests/support/on_terminal.py"))
        .arg(answer);
    command.arg(keyward.get_program()).args(keyward.get_args());
    if let Some(folder) = keyward.get_current_dir() {
        command.current_dir(folder);
    }
    for (name, value) in keyward.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.output().unwrap()
}

/// The commands without further subcommands, with their help.
fn commands() -> Vec<(String, String)> {
    let help = std::fs::read_to_string(repository("tests/golden/cli-help.txt")).unwrap();
    help.split("## keyward ")
        .filter_map(|part| part.split_once('\n'))
        .filter(|(name, text)| !name.trim().is_empty() && !text.contains("\nCommands:\n"))
        .map(|(name, text)| (name.trim().to_owned(), text.to_owned()))
        .filter(|(name, _)| name != "help" && !name.contains(" help"))
        .collect()
}

#[test]
fn each_command_is_in_the_table() {
    for (name, help) in commands() {
        let Some((_, asks)) = COMMANDS.iter().find(|(command, _)| *command == name) else {
            panic!("does keyward {name} destroy something? Add it to the table");
        };
        let can_ask = matches!(asks, Always(_) | With(_));
        let has_flag = help.contains("Do not ask for confirmation");
        assert_eq!(can_ask, has_flag, "keyward {name}");
    }
    for (name, asks) in COMMANDS {
        let is_explained = !matches!(asks, NeverAs(reason) if reason.is_empty());
        let exists = commands().iter().any(|(command, _)| command == name);
        assert!(exists && is_explained, "keyward {name}");
    }
}

#[test]
fn what_cannot_be_undone_is_confirmed() {
    needs!(Tool::Python);
    let world = World::sqlite();
    world.start().stop();
    let entries = || world.count("SELECT count(*) FROM audit");
    let before = entries();
    let asking = COMMANDS.iter().filter_map(|(name, asks)| match asks {
        Always(arguments) | With(arguments) => Some((*name, *arguments)),
        Never | NeverAs(_) => None,
    });
    each_case(asking, |(name, arguments)| {
        let words: Vec<&str> = name.split(' ').chain(arguments.iter().copied()).collect();
        let refused = on_terminal(&world, "n", &words);
        let said = String::from_utf8_lossy(&refused.stdout);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.contains("cannot be undone") && said.contains("Not confirmed"),
            "{name}: {said}"
        );
        assert_eq!(entries(), before, "{name}");
    });
}

/// Scripts, which have no terminal, are not asked; all other tests of deletions show that.
#[test]
fn a_deletion_on_a_terminal_is_confirmed() {
    needs!(Tool::Python);
    let world = World::sqlite();
    let client = world.client("read");
    let delete = ["client", "delete", &client.id];
    let exists = || world.run(&["client", "show", &client.id]).status.success();
    for answer in ["n", ""] {
        let refused = on_terminal(&world, answer, &delete);
        let said = String::from_utf8_lossy(&refused.stdout);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.contains("cannot be undone") && said.contains("Not confirmed"),
            "{said}"
        );
        assert!(exists());
    }
    let confirmed = on_terminal(&world, "y", &delete);
    assert!(
        confirmed.status.success(),
        "{}",
        String::from_utf8_lossy(&confirmed.stdout)
    );
    assert!(!exists());
    let asked = on_terminal(&world, "n", &[&delete[..], &["--yes"]].concat());
    let said = String::from_utf8_lossy(&asked.stdout);
    assert!(
        said.contains("There is no client") && !said.contains("cannot be undone"),
        "{said}"
    );
}
