//! `cargo bench`: the cost of Keyward's requests, as ratios to operations that they need anyway.
//!
//! Absolute times are not comparable between machines or times of day. So each figure is a ratio
//! within one run: to a bare RSA signature, a bare verification, or an actix-web server with an
//! empty handler. Rounds of all measurements alternate, each ratio is of one round, and the table
//! has the median with the minimum and the maximum. A slow result is never a failure.
//!
//! ```text
//! cargo bench                          CPU time, and instructions where perf can count them
//! cargo bench -- --callgrind           instructions in user mode, counted by valgrind
//! cargo bench -- --tokens 1000000      memory after this many tokens (default: 20000)
//! cargo bench -- --rounds 9            number of rounds (default: 7; 1 with callgrind)
//! ```
#![expect(
    clippy::print_stdout,
    reason = "the result is a table on standard output"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;

mod baseline;
mod client;
mod keyward;
mod process;
mod proof;

use client::{Connections, get, post};
use keyward::Keyward;
use process::{Cost, Meter, Worker};

/// An error of any kind.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The argument with which this program runs as a worker.
const WORKER: &str = "--worker";

/// A line of the table: the measurement, its baselines, and the ratio that the project aims at.
type Line = (&'static str, &'static [&'static str], Option<f64>);

const SIGNATURE: &str = "bare RSA-2048 signature";
const VERIFICATION: &str = "bare RSA-2048 verification";
const EMPTY: &str = "empty handler";
const EMPTY_POST: &str = "empty handler, POST as introspection";
const TOKEN_8: &str = "token, 8 connections";
const TOKEN_64: &str = "token, 64 connections";
const TOKEN_UNRECORDED: &str = "token, 64, records off";
const TOKEN_UNLOGGED: &str = "token, 64, no request log";
const TOKEN_ES256: &str = "token, 64 connections, ES256";
const TOKEN_ED25519: &str = "token, 64 connections, Ed25519";
const TOKEN_DPOP: &str = "token, 64 connections, ES256, DPoP";
const INTROSPECT_NEW: &str = "introspect a new token";
const INTROSPECT_AGAIN: &str = "introspect it again";
const INTROSPECT_BOUND: &str = "introspect a bound token again";
const INTROSPECT_UNLOGGED: &str = "introspect again, no request log";
const INTROSPECT_KEY: &str = "introspect an API key";
const JWKS: &str = "JWKS";

const TABLE: [Line; 17] = [
    (SIGNATURE, &[], None),
    (VERIFICATION, &[], None),
    (EMPTY, &[], None),
    (EMPTY_POST, &[EMPTY], None),
    (TOKEN_8, &[SIGNATURE], Some(1.10)),
    (TOKEN_64, &[SIGNATURE], Some(1.10)),
    (TOKEN_UNRECORDED, &[SIGNATURE], None),
    (TOKEN_UNLOGGED, &[SIGNATURE], None),
    (TOKEN_ES256, &[TOKEN_64], None),
    (TOKEN_ED25519, &[TOKEN_64], None),
    (TOKEN_DPOP, &[TOKEN_ES256], None),
    (INTROSPECT_NEW, &[EMPTY, VERIFICATION], Some(1.5)),
    (INTROSPECT_AGAIN, &[EMPTY], Some(3.0)),
    (INTROSPECT_BOUND, &[INTROSPECT_AGAIN], None),
    (INTROSPECT_UNLOGGED, &[EMPTY], None),
    (INTROSPECT_KEY, &[EMPTY], None),
    (JWKS, &[EMPTY], None),
];

/// The cost of each line of the table, in one round.
#[derive(Default)]
struct Round(BTreeMap<&'static str, Cost>);

impl Round {
    fn note(&mut self, what: &'static str, cost: Cost) {
        process::name_dump(&what.replace(", ", "-").replace(' ', "-"));
        self.0.insert(what, cost);
    }
}

/// Operations per measurement.
struct Counts {
    token: usize,
    verification: usize,
    request: usize,
}

/// Connections for requests other than token requests.
const CONNECTIONS: usize = 16;

/// The processes that are measured in turn.
struct Bench {
    meter: Meter,
    counts: Counts,
    signer: Worker,
    verifier: Worker,
    empty: Worker,
    empty_address: SocketAddr,
    usual: Keyward,
    unrecorded: Keyward,
    unlogged: Keyward,
    es256: Keyward,
    ed25519: Keyward,
}

impl Bench {
    fn start(meter: Meter) -> Outcome<Self> {
        let mut empty = Worker::start(meter, "empty")?;
        let counts = match meter {
            Meter::Callgrind => Counts {
                token: 128,
                verification: 400,
                request: 2000,
            },
            _ => Counts {
                token: 1000,
                verification: 10_000,
                request: 20_000,
            },
        };
        Ok(Bench {
            meter,
            counts,
            signer: Worker::start(meter, "sign")?,
            verifier: Worker::start(meter, "verify")?,
            empty_address: empty.hear()?.parse()?,
            empty,
            usual: Keyward::start(meter, "usual", "RS256", &[])?,
            unrecorded: Keyward::start(meter, "unrecorded", "RS256", &["--token-records=off"])?,
            unlogged: Keyward::start(
                meter,
                "unlogged",
                "RS256",
                &["--log=info,keyward::request=warn"],
            )?,
            es256: Keyward::start(meter, "es256", "ES256", &["--jwks-max-age=0"])?,
            ed25519: Keyward::start(meter, "ed25519", "EdDSA", &["--jwks-max-age=0"])?,
        })
    }

    /// Measures one round.
    fn round(&mut self) -> Outcome<Round> {
        let Counts {
            token,
            verification,
            request,
        } = self.counts;
        let mut costs = Round::default();
        let (cost, mut tokens) = self.usual.tokens(8, token)?;
        costs.note(TOKEN_8, cost);
        costs.note(SIGNATURE, self.signer.measure(self.meter, token)?);
        let (cost, more) = self.usual.tokens(64, token)?;
        costs.note(TOKEN_64, cost);
        costs.note(TOKEN_UNRECORDED, self.unrecorded.tokens(64, token)?.0);
        let (cost, others) = self.unlogged.tokens(64, token)?;
        costs.note(TOKEN_UNLOGGED, cost);
        costs.note(TOKEN_ES256, self.es256.tokens(64, token)?.0);
        let (cost, bound) = self.es256.bound_tokens(64, token)?;
        costs.note(TOKEN_DPOP, cost);
        costs.note(TOKEN_ED25519, self.ed25519.tokens(64, token)?.0);

        tokens.extend(more);
        let (usual, unlogged) = (&self.usual, &self.unlogged);
        costs.note(
            VERIFICATION,
            self.verifier.measure(self.meter, verification)?,
        );
        costs.note(
            INTROSPECT_NEW,
            usual.introspect(CONNECTIONS, tokens.len(), &tokens)?,
        );
        costs.note(EMPTY, self.drive_empty(&get("/"))?);
        let seen = &tokens[..1];
        costs.note(
            INTROSPECT_AGAIN,
            usual.introspect(CONNECTIONS, request, seen)?,
        );
        let bound = &bound[..1];
        self.es256.introspect(1, 1, bound)?;
        costs.note(
            INTROSPECT_BOUND,
            self.es256.introspect(CONNECTIONS, request, bound)?,
        );
        unlogged.introspect(1, 1, &others[..1])?;
        costs.note(
            INTROSPECT_UNLOGGED,
            unlogged.introspect(CONNECTIONS, request, &others[..1])?,
        );
        costs.note(
            INTROSPECT_KEY,
            usual.introspect(CONNECTIONS, request, std::slice::from_ref(&usual.api_key))?,
        );
        costs.note(JWKS, usual.jwks(CONNECTIONS, request)?);
        costs.note(
            EMPTY_POST,
            self.drive_empty(&post("/", "Basic none", &format!("token={}", tokens[0])))?,
        );
        Ok(costs)
    }

    fn drive_empty(&self, request: &[u8]) -> Outcome<Cost> {
        let mut connections = Connections::open(self.empty_address, CONNECTIONS, request)?;
        let (count, worker) = (self.counts.request, &self.empty);
        let driven = || connections.drive(count, |_| request, |_| Ok(()));
        Ok(self.meter.measure(&worker.process, count, driven)?.0)
    }
}

/// The median, the minimum and the maximum.
fn spread(mut values: Vec<f64>) -> Option<(f64, f64, f64)> {
    values.sort_by(f64::total_cmp);
    Some((
        *values.get(values.len() / 2)?,
        *values.first()?,
        *values.last()?,
    ))
}

/// Prints the table of one kind of cost, if it was measured.
fn print(title: &str, rounds: &[Round], cost: impl Fn(&Cost) -> Option<f64>) {
    let value = |round: &Round, what: &str| cost(round.0.get(what)?);
    println!(
        "\n{title:38} {:>9}   {:>5}  (least to most)   of",
        "each", "ratio"
    );
    for (what, baseline, aim) in &TABLE {
        let Some((each, ..)) = spread(
            rounds
                .iter()
                .filter_map(|round| value(round, what))
                .collect(),
        ) else {
            continue;
        };
        print!("{what:38} {:9.1}", each / 1000.0);
        let over = |round| {
            baseline
                .iter()
                .map(|part| value(round, part))
                .sum::<Option<f64>>()
                .filter(|sum| *sum > 0.0)
        };
        let ratios = rounds
            .iter()
            .filter_map(|round| Some(value(round, what)? / over(round)?));
        if let Some((middle, least, most)) = spread(ratios.collect()) {
            print!(
                "   {middle:5.2}  ({least:5.2} to {most:5.2})  {}",
                baseline.join(" + ")
            );
        }
        println!(
            "{}",
            aim.map(|aim| format!(", aim {aim:.2}")).unwrap_or_default()
        );
    }
}

/// Issues tokens and reports memory.
fn memory(count: usize) -> Outcome<()> {
    println!(
        "\n{:38} {:>9}   {:>9}",
        "memory of a fresh server, in MiB", "resident", "at most"
    );
    let mib = |kib: u64| kib as f64 / 1024.0;
    let server = Keyward::start(Meter::Time, "memory", "RS256", &[])?;
    let mut issued = 0;
    for percent in [0, 1, 5, 10, 25, 50, 75, 100] {
        while issued < count * percent / 100 {
            let portion = (count * percent / 100 - issued).min(10_000);
            server.tokens(64, portion)?;
            issued += portion;
        }
        let (resident, most) = (
            server.process.memory("VmRSS:")?,
            server.process.memory("VmHWM:")?,
        );
        println!(
            "{:38} {:9.1}   {:9.1}",
            format!("after {issued} tokens"),
            mib(resident),
            mib(most)
        );
    }
    Ok(())
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut wanted, mut callgrind, mut tokens, mut rounds) = (false, false, 20_000, None);
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| format!("{argument} requires a value"))
        };
        match argument.as_str() {
            WORKER => return baseline::work(&value()?),
            // Set by `cargo bench`, but not by `cargo test --benches`, which should measure
            // nothing.
            "--bench" => wanted = true,
            "--callgrind" => callgrind = true,
            "--tokens" => tokens = value()?.parse()?,
            "--rounds" => rounds = Some(value()?.parse()?),
            other => {
                return Err(format!(
                    "unknown argument {other}: see the first lines of benches/cost/main.rs"
                )
                .into());
            }
        }
    }
    if !wanted {
        println!("nothing measured: this runs with `cargo bench`");
        return Ok(());
    }

    let meter = Meter::choose(callgrind)?;
    let rounds = rounds.unwrap_or(if callgrind { 1 } else { 7 });
    println!(
        "\nWhat a request costs the server, with SQLite. Token records and the request log are on unless it says"
    );
    println!(
        "otherwise. Of {rounds} rounds the one in the middle; the aims are for instructions, with the kernel's."
    );
    match meter {
        Meter::Time => println!(
            "perf counts no instructions here: `cargo bench -- --callgrind` counts those in user mode."
        ),
        Meter::TimeAndPerf => {}
        Meter::Callgrind => {
            println!(
                "The kernel's instructions are not counted here, and the code for older processors runs: signatures"
            );
            println!(
                "and hashes take more than they would outside. For each line there is a callgrind.NAME in target/tmp,"
            );
            println!("for callgrind_annotate --inclusive=yes.");
        }
    }
    let mut bench = Bench::start(meter)?;
    // The first round fills caches and starts threads, and is not counted.
    bench.round()?;
    let costs = (0..rounds)
        .map(|_| bench.round())
        .collect::<Outcome<Vec<_>>>()?;
    drop(bench);
    if meter != Meter::Callgrind {
        print("CPU time, in microseconds", &costs, |cost| cost.nanos);
    }
    if meter != Meter::Time {
        print("Instructions, in thousands", &costs, |cost| {
            cost.instructions
        });
    }
    if meter != Meter::Callgrind && tokens > 0 {
        memory(tokens)?;
    }
    Ok(())
}
