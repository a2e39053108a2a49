//! The files in `packaging/`: the systemd unit, the Debian package, the image, the Compose file and the Helm chart
//! name settings, paths and commands that exist. Release builds are left to `packaging/release`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::tools::{Tool, variable};
use crate::support::{World, documented, each_case, repository};

const KEYWARD: &str = env!("CARGO_BIN_EXE_keyward");

fn read(path: &str) -> String {
    let file = repository(path);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The standard output of a command that must succeed.
fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The names of all settings.
fn settings(world: &World) -> BTreeSet<String> {
    let listed = world.cli(&["config"]);
    let rows = listed.as_array().unwrap().iter();
    rows.map(|row| row["name"].as_str().unwrap().to_owned())
        .collect()
}

/// The variables `KEYWARD_…` in a text.
fn variables(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter_map(|word| word.strip_prefix("KEYWARD_"))
        .filter(|name| !name.is_empty())
        .map(str::to_lowercase)
        .collect()
}

#[test]
fn every_variable_is_a_setting() {
    let mut known = settings(&World::sqlite());
    // These are the variables of the settings file itself, and of the Compose file.
    known.extend(["config".to_owned(), "image".to_owned()]);
    let mut seen = BTreeSet::new();
    let mut all = files(&repository("packaging"));
    all.extend(["docs/installing.md", "docs/releasing.md"].map(repository));
    for file in all {
        let text = std::fs::read_to_string(&file).unwrap();
        for name in variables(&text) {
            assert!(known.contains(&name), "{}: {name}", file.display());
            seen.insert(name);
        }
    }
    assert!(
        seen.contains("database_url") && seen.contains("keys_dir"),
        "{seen:?}"
    );
}

#[test]
fn the_settings_file_and_the_environment_of_the_package_are_accepted() {
    let world = World::sqlite();
    let text = read("packaging/systemd/keyward.toml");
    // The lines that an operator uncomments are settings too.
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.contains(" = ") => setting,
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(text, uncommented);
    each_case(
        [("shipped.toml", text), ("all.toml", uncommented)],
        |(name, text)| {
            // The folders of an installation do not exist here.
            let folder = world.folder.display().to_string();
            let text = text.replace("/var/lib/keyward", &folder);
            world.file(name, &text);
            let listed = world.cli(&["config", "--config", name]);
            let rows = listed.as_array().unwrap();
            let from_file = rows.iter().filter(|row| row["source"] == name).count();
            assert!(from_file >= 2, "{listed}");
        },
    );
}

/// The directives of the section `[Service]`.
fn directives(unit: &str) -> Vec<(&str, &str)> {
    let section = unit.split("[Service]").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let lines = section.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).collect()
}

#[test]
fn the_unit_is_hardened_and_names_the_files_of_the_package() {
    let unit = read("packaging/systemd/keyward.service");
    let found = directives(&unit);
    for expected in [
        ("User", "keyward"),
        ("ExecStart", "/usr/bin/keyward serve"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        ("Environment", "KEYWARD_CONFIG=/etc/keyward/keyward.toml"),
        ("EnvironmentFile", "-/etc/keyward/environment"),
        ("StateDirectory", "keyward"),
        ("UMask", "0077"),
        ("LimitCORE", "0"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
        ("SystemCallFilter", "@system-service"),
        ("SystemCallFilter", "~@privileged @resources"),
    ] {
        assert!(found.contains(&expected), "{expected:?} in {found:?}");
    }
    let settings = read("packaging/systemd/keyward.toml");
    assert!(settings.contains("keys_dir = \"/var/lib/keyward/keys\""));
    let rules = read("packaging/systemd/keyward.tmpfiles");
    for path in [
        "/var/lib/keyward",
        "/etc/keyward/keyward.toml",
        "/etc/keyward/environment",
    ] {
        assert!(rules.contains(path), "{path}");
    }
}

#[test]
fn systemd_finds_no_fault_and_little_exposure() {
    needs!(Tool::SystemdAnalyze);
    let output = succeeds(
        Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(repository("packaging/systemd/keyward.service")),
    );
    let overall = output.lines().last().unwrap();
    let level = overall
        .split(": ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let level: f64 = level.unwrap().parse().unwrap();
    assert!(level <= 1.2, "{overall}");
    // `verify` wants the binary and the manual page to be installed.
    let world = World::sqlite();
    let unit = read("packaging/systemd/keyward.service");
    let unit = unit.replace("/usr/bin/keyward", KEYWARD);
    let unit = unit.replace("Documentation=man:keyward(1)\n", "");
    let file = world.file("keyward.service", &unit);
    let output = Command::new("systemd-analyze")
        .arg("verify")
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let own = said.lines().filter(|line| line.contains("keyward.service"));
    assert_eq!(own.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// The pages of `keyward man` and all commands of the help.
#[test]
fn each_command_has_a_manual_page() {
    let world = World::sqlite();
    let folder = world.folder.join("man");
    std::fs::create_dir(&folder).unwrap();
    let written = world.cli(&["man", folder.to_str().unwrap()]);
    let found: BTreeSet<String> = files(&folder)
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(written["files"].as_array().unwrap().len(), found.len());
    let help = read("tests/golden/cli-help.txt");
    let commands = help.lines().filter_map(|line| line.strip_prefix("## "));
    let expected: BTreeSet<String> = commands
        .map(|command| format!("{}.1", command.trim().replace(' ', "-")))
        .collect();
    assert_eq!(found, expected);

    let page = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let root = page("keyward.1");
    let issued = page("keyward-client-create.1");
    assert!(
        root.contains(".TH keyward 1") && root.contains("KEYWARD_TOKEN_TTL"),
        "{root}"
    );
    assert!(
        issued.contains("introspect") && issued.contains("\\fBkeyward\\fR(1)"),
        "{issued}"
    );
    // The settings are in one page only.
    assert!(!issued.contains("KEYWARD_TOKEN_TTL"), "{issued}");

    let missing = world.refused(&["man", "no/such/folder"]);
    assert!(missing.contains("no/such/folder"), "{missing}");
}

#[test]
fn completions_are_scripts_of_their_shells() {
    let world = World::sqlite();
    each_case(
        [
            ("bash", "complete -F _keyward"),
            ("zsh", "#compdef keyward"),
            ("fish", "complete -c keyward"),
        ],
        |(shell, contained)| {
            let document = world.cli(&["completions", shell]);
            let script = document["script"].as_str().unwrap();
            assert!(script.contains(contained), "{shell}");
            assert!(script.contains("registration-token"), "{shell}");
        },
    );
    let script = world.cli(&["completions", "bash"])["script"].clone();
    let file = world.file("completions.bash", script.as_str().unwrap());
    succeeds(Command::new("bash").arg("-n").arg(file));
}

/// The package has another program in place of a release build of Keyward.
#[test]
fn the_debian_package_has_all_files_of_an_installation() {
    needs!(Tool::DpkgDev);
    let world = World::sqlite();
    let built = succeeds(
        Command::new(repository("packaging/debian/build"))
            .args(["/bin/true"])
            .arg(&world.folder)
            .arg(KEYWARD)
            .env("SOURCE_DATE_EPOCH", "1700000000"),
    );
    let package = built.trim();
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        package.contains(&format!("/keyward_{version}_")),
        "{package}"
    );

    let control = succeeds(Command::new("dpkg-deb").args(["--field", package]));
    assert!(control.contains("Depends: libc6 (>= 2."), "{control}");
    assert!(
        control.contains(", systemd | systemd-standalone-sysusers"),
        "{control}"
    );
    assert!(
        !control.contains('@') || control.matches('@').count() == 1,
        "{control}"
    );

    let listed = succeeds(Command::new("dpkg-deb").args(["--contents", package]));
    for (mode, path) in [
        ("-rwxr-xr-x root/root", "./usr/bin/keyward"),
        ("-rwxr-xr-x root/root", "./usr/sbin/keyward-admin"),
        (
            "-rw-r--r-- root/root",
            "./usr/lib/systemd/system/keyward.service",
        ),
        ("-rw-r--r-- root/root", "./usr/lib/sysusers.d/keyward.conf"),
        ("-rw-r--r-- root/root", "./usr/lib/tmpfiles.d/keyward.conf"),
        ("-rw-r----- root/root", "./etc/keyward/keyward.toml"),
        ("-rw-r----- root/root", "./etc/keyward/environment"),
        ("-rw-r--r-- root/root", "./usr/share/man/man1/keyward.1.gz"),
        (
            "-rw-r--r-- root/root",
            "./usr/share/man/man1/keyward-key-rotate.1.gz",
        ),
        (
            "-rw-r--r-- root/root",
            "./usr/share/bash-completion/completions/keyward",
        ),
        (
            "-rw-r--r-- root/root",
            "./usr/share/zsh/vendor-completions/_keyward",
        ),
        (
            "-rw-r--r-- root/root",
            "./usr/share/fish/vendor_completions.d/keyward.fish",
        ),
        (
            "-rw-r--r-- root/root",
            "./usr/share/keyward/prometheus/keyward.rules.yml",
        ),
        ("-rw-r--r-- root/root", "./usr/share/doc/keyward/copyright"),
        ("-rw-r--r-- root/root", "./usr/share/doc/keyward/NOTICE"),
    ] {
        let line = listed
            .lines()
            .find(|line| line.ends_with(&format!(" {path}")));
        let line = line.unwrap_or_else(|| panic!("{path} in {listed}"));
        assert!(line.starts_with(mode), "{line}");
    }
    let scripts = world.folder.join("control");
    succeeds(
        Command::new("dpkg-deb")
            .args(["--control", package])
            .arg(&scripts),
    );
    let configuration = std::fs::read_to_string(scripts.join("conffiles")).unwrap();
    assert_eq!(
        configuration,
        "/etc/keyward/keyward.toml\n/etc/keyward/environment\n"
    );
    for script in ["postinst", "prerm", "postrm"] {
        succeeds(Command::new("sh").arg("-n").arg(scripts.join(script)));
    }
}

#[test]
fn the_bill_of_materials_lists_what_is_linked() {
    needs!(Tool::Python);
    let world = World::sqlite();
    let file = world.folder.join("sbom.json");
    succeeds(
        Command::new(variable("TEST_PYTHON"))
            .arg(repository("packaging/sbom"))
            .arg(&file),
    );
    let document: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(document["metadata"]["component"]["name"], "keyward");
    let components = document["components"].as_array().unwrap();
    let named = |name: &str| {
        components
            .iter()
            .find(|component| component["name"] == name)
    };
    for name in ["actix-web", "aws-lc-sys", "libsqlite3-sys", "pq-src"] {
        let component = named(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(component["hashes"][0]["alg"], "SHA-256", "{component}");
        assert!(
            component["licenses"][0]["expression"].is_string(),
            "{component}"
        );
    }
    // For tests, for macros and for build scripts alone.
    for name in ["rcgen", "serde_derive", "cc"] {
        assert!(named(name).is_none(), "{name}");
    }
}

#[test]
fn the_shell_scripts_are_well_formed() {
    each_case(
        [
            ("sh", "packaging/debian/keyward-admin"),
            ("bash", "packaging/debian/build"),
            ("bash", "packaging/build"),
            ("bash", "packaging/linker/static-pie-ld"),
            ("bash", "packaging/release"),
            ("bash", "packaging/stage"),
            ("bash", "packaging/oci/build"),
            ("bash", "packaging/oci/run"),
            ("bash", "packaging/helm/check"),
        ],
        |(shell, script)| {
            succeeds(Command::new(shell).arg("-n").arg(repository(script)));
        },
    );
}

#[test]
fn the_image_runs_as_an_unprivileged_user() {
    let file = read("packaging/oci/Containerfile");
    for line in [
        "FROM scratch",
        "USER 65532:65532",
        "ENTRYPOINT [\"/usr/bin/keyward\"]",
        "CMD [\"serve\"]",
    ] {
        assert!(file.lines().any(|found| found == line), "{line}");
    }
    let chart = read("packaging/helm/keyward/templates/_helpers.tpl");
    assert!(chart.contains("runAsUser: 65532") && chart.contains("runAsNonRoot: true"));
}

#[test]
fn versions_are_those_of_the_crate() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = read("packaging/helm/keyward/Chart.yaml");
    assert!(
        chart.contains(&format!("\nversion: {version}\n")),
        "{chart}"
    );
    assert!(
        chart.contains(&format!("\nappVersion: \"{version}\"\n")),
        "{chart}"
    );
    for file in [
        "packaging/compose/compose.yaml",
        "packaging/compose/.env.example",
    ] {
        assert!(read(file).contains(&format!("keyward:{version}")), "{file}");
    }
}

/// The paths that the chart's Ingress forwards are all paths of Keyward, except those for the cluster.
#[test]
fn the_ingress_forwards_all_public_paths() {
    let template = read("packaging/helm/keyward/templates/ingress.yaml");
    let list = template.split("range list ").nth(1).unwrap();
    let list = list.split(" }}").next().unwrap();
    let prefixes: Vec<&str> = list.split(' ').map(|word| word.trim_matches('"')).collect();
    let document = World::sqlite().cli(&["openapi"]);
    let paths = document["paths"].as_object().unwrap();
    let under = |path: &str, prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let not_forwarded: BTreeSet<&str> = paths
        .keys()
        .map(String::as_str)
        .filter(|path| !prefixes.iter().any(|prefix| under(path, prefix)))
        .collect();
    assert_eq!(
        not_forwarded,
        BTreeSet::from(["/healthz", "/metrics", "/readyz"])
    );
    assert!(prefixes.contains(&"/portal") && prefixes.contains(&"/docs"));
}

/// The names under `settings:` in the chart's values, also those in comments.
fn chart_settings(values: &str) -> Vec<&str> {
    let block = values.split("\nsettings:").nth(1).unwrap_or_default();
    let lines = block.lines().skip(1);
    let lines = lines.take_while(|line| line.starts_with("  ") || line.starts_with("#  "));
    let lines = lines.map(|line| line.trim_start_matches('#').trim());
    lines.filter_map(|line| line.split(':').next()).collect()
}

#[test]
fn the_chart_names_settings_that_exist() {
    let known = settings(&World::sqlite());
    for file in ["values.yaml", "ci/full-values.yaml"] {
        let values = read(&format!("packaging/helm/keyward/{file}"));
        let names = chart_settings(&values);
        assert!(names.contains(&"token_ttl"), "{names:?}");
        for name in names {
            assert!(known.contains(name), "{file}: {name}");
        }
    }
    // The names that the chart sets itself are refused in `settings`.
    let schema: serde_json::Value =
        serde_json::from_str(&read("packaging/helm/keyward/values.schema.json")).unwrap();
    let refused = &schema["properties"]["settings"]["propertyNames"]["not"]["enum"];
    for name in refused.as_array().unwrap() {
        assert!(known.contains(name.as_str().unwrap()), "{name}");
    }
}

/// Where helm is installed: the chart is well-formed, and its settings file is one that Keyward accepts.
#[test]
fn the_rendered_chart_has_a_valid_settings_file() {
    needs!(Tool::Helm);
    let world = World::sqlite();
    let chart = repository("packaging/helm/keyward");
    let values = chart.join("ci/full-values.yaml");
    succeeds(
        Command::new("helm")
            .args(["lint", "--strict", "--quiet"])
            .arg(&chart)
            .arg("--values")
            .arg(&values),
    );
    let rendered = succeeds(
        Command::new("helm")
            .args(["template", "keyward"])
            .arg(&chart)
            .arg("--values")
            .arg(&values)
            .args([
                "--kube-version",
                "1.33.0",
                "--show-only",
                "templates/configmap.yaml",
            ]),
    );
    let settings = rendered.split("keyward.toml: |\n").nth(1).unwrap();
    let settings: String = settings
        .lines()
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    world.file("rendered.toml", &settings);
    let listed = world.cli(&["config", "--config", "rendered.toml"]);
    let rows = listed.as_array().unwrap();
    let ttl = rows.iter().find(|row| row["name"] == "token_ttl").unwrap();
    assert_eq!(ttl["value"], "900");
}

#[test]
fn nginx_accepts_the_configuration_of_the_compose_file() {
    needs!(Tool::Nginx, Tool::Openssl);
    let world = World::sqlite();
    world.certificate("certificate.pem", "key.pem");
    let folder = world.folder.display();
    let server = read("packaging/compose/nginx.conf");
    assert!(server.contains("server keyward:8080;"));
    let server = server
        .replace("keyward:8080", "127.0.0.1:8080")
        .replace("/etc/nginx/tls", &folder.to_string());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
        .concat();
    let file = world.file(
        "nginx.conf",
        &format!("pid {folder}/nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n"),
    );
    succeeds(
        Command::new(variable("TEST_NGINX"))
            .args(["-t", "-q", "-e", "stderr", "-c"])
            .arg(file),
    );
}

/// The commands of the page that need no container engine, root or other machine.
#[test]
fn the_documented_commands_exist() {
    let help = read("tests/golden/cli-help.txt");
    let mut seen = 0;
    for page in ["docs/installing.md", "docs/releasing.md"] {
        for start in ["sudo keyward-admin ", "keyward "] {
            for command in documented(page, start) {
                let words = command.strip_prefix(start).unwrap_or(&command);
                let first = words.split(' ').next().unwrap();
                assert!(
                    help.contains(&format!("\n## keyward {first}")),
                    "{page}: {command}"
                );
                seen += 1;
            }
        }
        for word in read(page).split(|c: char| c.is_whitespace() || c == '`') {
            if word.starts_with("packaging/") {
                let path = word.trim_end_matches(['.', ',', ')', ':']);
                assert!(repository(path).exists(), "{page}: {path}");
            }
        }
    }
    assert_eq!(seen, 3);
}
