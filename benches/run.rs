//! The cost of a whole run, against the least that it could cost: its HTTP exchanges on bare turmoil, and its
//! signatures. The ratio that is printed last is meant to stay below 2.

mod bare;

use std::{cell::Cell, hint::black_box, path::Path, time::Duration};

use backfire::{
    journal::{Source, What},
    matrix::{
        crypto::{Crypto, Scheme, SigningKey},
        endpoint::Endpoint,
    },
    scenario::Scenario,
    simulation::{Options, Simulated, simulate},
};
use criterion::{
    Criterion,
    measurement::{Measurement, WallTime},
};

/// The size of a small event or request as it is signed.
const SIGNED_BYTES: usize = 600;
/// Rounds of the comparison; of each side the least disturbed one counts.
const ROUNDS: usize = 30;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/partition-heal.json");
    let scenario = Scenario::read(&path).expect("it is there");
    let options = Options::default();
    let run = || simulate(&scenario, &options).expect("it can be played");
    let played = run();
    let hosts: Vec<String> = scenario.servers.keys().cloned().collect();
    let exchanges = bare::exchanges(&played.journal);
    let bare = || bare::play(&hosts, &exchanges, options.tick, played.simulated_ms);
    let idle = || bare::play(&hosts, &[], options.tick, played.simulated_ms);
    let signer = Signer::default();

    let mut group = criterion.benchmark_group("partition-heal");
    group.bench_function("run", |bencher| bencher.iter(run));
    group.bench_function("bare exchanges", |bencher| bencher.iter(bare));
    group.bench_function("idle hosts", |bencher| bencher.iter(idle));
    group.bench_function("sign", |bencher| bencher.iter(|| signer.sign()));
    group.bench_function("recognise", |bencher| bencher.iter(|| signer.recognise()));
    group.finish();
    criterion.final_summary();

    let counts = Signatures::count(&played);
    let [run, bare, idle, signatures] =
        least(&[&|| drop(black_box(run())), &bare, &idle, &|| signer.repeat(&counts)]);
    let (steps, simulated) = (played.simulated_ms, played.simulated_ms as f64 / 1e3);
    println!(
        "run: {run:.2} ms for {simulated} simulated seconds, {:.0} times real time",
        simulated * 1e3 / run
    );
    println!(
        "bare: {bare:.2} ms for {} exchanges, of it {idle:.2} ms for {steps} idle steps",
        exchanges.len()
    );
    println!("signatures: {signatures:.2} ms for {counts:?}");
    println!("run / (bare exchanges + signatures) = {:.2}", run / (bare + signatures));
}

/// Milliseconds of each, all in turn, so that a busy machine slows all of them.
fn least<const N: usize>(sides: &[&dyn Fn(); N]) -> [f64; N] {
    let mut least = [f64::MAX; N];
    for _ in 0..ROUNDS {
        for (side, run) in sides.iter().enumerate() {
            let start = WallTime.start();
            run();
            least[side] = least[side].min(WallTime.end(start).as_secs_f64() * 1e3);
        }
    }
    least
}

/// How often a run signs, and how often it looks at a signature. All servers of a run share one memory of
/// what was signed, so an honest signature is recognised and not computed again.
#[derive(Debug, Default)]
struct Signatures {
    signed: usize,
    recognised: usize,
}

impl Signatures {
    fn count(run: &Simulated) -> Self {
        let mut counts = Self::default();
        for record in &run.journal.records {
            match &record.what {
                What::Request { endpoint, .. } => match endpoint.known() {
                    Some(Endpoint::Version) => {}
                    Some(Endpoint::Key) => counts.signed += 1,
                    _ => {
                        counts.signed += 1;
                        counts.recognised += 1;
                    }
                },
                What::Received { from: Source::User, .. } => counts.signed += 1,
                What::Received { from: Source::Peer { .. }, .. } => counts.recognised += 1,
                _ => {}
            }
        }
        counts
    }
}

/// Signs a new message each time.
struct Signer {
    crypto: Crypto,
    key: SigningKey,
    next: Cell<u64>,
    signature: Vec<u8>,
}

impl Default for Signer {
    fn default() -> Self {
        let (crypto, key) = (Crypto::new(Scheme::Ed25519), SigningKey::from_seed([7; 32], "k1"));
        let signature = crypto.sign(&key, &[0; SIGNED_BYTES]);
        Self { crypto, key, next: Cell::new(1), signature }
    }
}

impl Signer {
    fn sign(&self) -> Vec<u8> {
        let mut message = [0; SIGNED_BYTES];
        message[..8].copy_from_slice(&self.next.replace(self.next.get() + 1).to_le_bytes());
        self.crypto.sign(&self.key, &message)
    }

    fn recognise(&self) -> bool {
        self.crypto.verify(&self.key.public(), &self.signature, black_box(&[0; SIGNED_BYTES]))
    }

    fn repeat(&self, counts: &Signatures) {
        (0..counts.signed).for_each(|_| drop(black_box(self.sign())));
        (0..counts.recognised).for_each(|_| assert!(self.recognise()));
    }
}
