//! Runs the properties of `support/properties.rs` on the seeds of the fuzz targets and on mutations
//! of them. The mutations are the same in each run; `PROPERTY_SEED` and `PROPERTY_RUNS` choose
//! others and more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::support::properties::{ALL, Property};
use crate::support::repository;

/// Mutations per property in the ordinary tests.
const RUNS: u64 = 2000;

/// The properties that take more than a tenth of a millisecond.
const SLOW: [(&str, u64); 5] = [
    ("environment", 20),
    ("jwk_set", 400),
    ("password", 100),
    ("private_key_pem", 20),
    ("settings_file", 20),
];

/// Tokens of the parsed formats, to insert.
const DICTIONARY: &[&str] = &[
    " ",
    "\t",
    "\r\n",
    "\n",
    "\0",
    "\"",
    "'",
    "\\",
    "%",
    "%00",
    "%2F",
    "%40",
    "%EF%BF%BD",
    "&",
    "=",
    "+",
    ",",
    ";",
    ":",
    "/",
    "//",
    "://",
    "?",
    "#",
    "@",
    "*",
    ".",
    "..",
    "/../",
    "-",
    "_",
    "~",
    "[",
    "]",
    "[::1]",
    "{",
    "}",
    "{}",
    "[]",
    "null",
    "true",
    "0",
    "1",
    "-1",
    "1e999",
    "18446744073709551616",
    "4294967296",
    "00",
    "ff",
    "\u{e9}",
    "\u{fffd}",
    "\u{202e}",
    "kw",
    "kwk_",
    "kwa_",
    "Bearer ",
    "Basic ",
    "for=",
    "127.0.0.1",
    "10.0.0.0/8",
    "::ffff:10.0.0.1",
    "::ffff:0:0/96",
    "localhost",
    "xn--",
    ":0",
    ":80",
    ":443",
    ":65536",
    "alg",
    "keys",
    "kid",
    "\"d\":\"AA\"",
    "AA==",
    "q=0",
    "*;q=1",
    "d",
    "h",
    "hunter2",
];

/// A pseudo-random generator (xorshift64*) that returns the same numbers on all machines.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap() % limit.max(1)
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let (one, other) = (self.below(length + 1), self.below(length + 1));
        one.min(other)..one.max(other)
    }

    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut data = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(6) {
            let place = self.below(data.len() + 1);
            match self.below(8) {
                0 if place < data.len() => data[place] ^= 1 << self.below(8),
                1 if place < data.len() => data[place] = u8::try_from(self.below(256)).unwrap(),
                2 if place < data.len() => data[place] = data[place].wrapping_add(1),
                3 => drop(data.drain(self.range(data.len()))),
                4 => {
                    let copy = data[self.range(data.len())].to_vec();
                    data.splice(place..place, copy);
                }
                5 => {
                    let other = &seeds[self.below(seeds.len())];
                    let copy = other[self.range(other.len())].to_vec();
                    data.splice(place..place, copy);
                }
                _ => {
                    let word = DICTIONARY[self.below(DICTIONARY.len())];
                    data.splice(place..place, word.bytes());
                }
            }
        }
        data.truncate(4096);
        data
    }
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = repository("fuzz/corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "seed")
        })
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

fn number(variable: &str) -> Option<u64> {
    Some(std::env::var(variable).ok()?.parse().unwrap())
}

fn check((name, property): Property) {
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let slow = SLOW.iter().find(|(slow, _)| *slow == name);
    let runs = number("PROPERTY_RUNS").unwrap_or(slow.map_or(RUNS, |(_, runs)| *runs));
    let seed = number("PROPERTY_SEED").unwrap_or(1);
    let mut random = Random(seed.max(1));
    let mutations = (0..runs).map(|_| random.mutate(&seeds));
    for (run, input) in seeds.iter().cloned().chain(mutations).enumerate() {
        if catch_unwind(AssertUnwindSafe(|| property(&input))).is_err() {
            let shown = input.escape_ascii();
            panic!("{name} does not hold for input {run} of PROPERTY_SEED={seed}: b\"{shown}\"");
        }
    }
}

macro_rules! properties {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            let named = |property: &&Property| property.0 == stringify!($name);
            check(*ALL.iter().find(named).unwrap());
        })*

        #[test]
        fn each_has_a_test_and_a_fuzz_target() {
            let names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
            let fuzz = repository("fuzz");
            let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
            assert_eq!(manifest.matches("[[bin]]").count(), names.len());
            for name in names {
                assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
                let target = Path::new("fuzz_targets").join(format!("{name}.rs"));
                let target = std::fs::read_to_string(fuzz.join(target)).unwrap();
                assert!(target.contains(&format!("properties::{name}(data)")), "{name}");
            }
        }
    };
}

properties! {
    accept_language
    authorization_header
    client_certificate
    client_ip
    client_metadata
    credential
    database_url
    distinguished_name
    dpop_proof
    duration
    environment
    external_uri
    form_parameters
    http_url
    ip_ranges
    issuer
    json_body
    jwk_set
    jws
    jws_signature
    password
    private_key_pem
    proxy_url
    resources
    scope
    settings_file
    traceparent
    trust_condition
}
