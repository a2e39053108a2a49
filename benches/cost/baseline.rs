//! The baselines, each in a separate child process: a bare signature, a bare verification, and an
//! actix-web server with an empty handler.

use std::hint::black_box;
use std::io::{BufRead, Write};

use actix_web::{App, HttpResponse, HttpServer, web};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
};

use crate::Outcome;
use crate::process::DONE;

/// Has the length of the signed part of a token.
const MESSAGE: [u8; 600] = [b'k'; 600];

/// Runs the worker of this name until its standard input ends.
pub fn work(name: &str) -> Outcome<()> {
    if name == "empty" {
        return empty();
    }
    let pair = KeyPair::generate(KeySize::Rsa2048)?;
    let random = SystemRandom::new();
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &random, &MESSAGE, &mut signature)?;
    let public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key())?;
    for line in std::io::stdin().lock().lines() {
        for _ in 0..line?.parse::<u64>()? {
            if name == "sign" {
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &random,
                    black_box(&MESSAGE),
                    &mut signature,
                )?;
            } else {
                public.verify_sig(black_box(&MESSAGE), &signature)?;
            }
        }
        writeln!(std::io::stdout(), "{DONE}")?;
    }
    Ok(())
}

/// Answers 200 without a body, with as many threads as Keyward: one per processor. Reads the body
/// of a POST first. The first line of its output is its address.
fn empty() -> Outcome<()> {
    let server = HttpServer::new(|| {
        let resource = web::resource("/").get(async || HttpResponse::Ok().finish());
        App::new().service(resource.post(async |_: web::Bytes| HttpResponse::Ok().finish()))
    });
    let server = server.bind(("127.0.0.1", 0))?;
    writeln!(
        std::io::stdout(),
        "{}",
        server.addrs().first().ok_or("not bound")?
    )?;
    Ok(actix_web::rt::System::new().block_on(server.run())?)
}
