//! Brute force beside `minhash`: every pair's true Jaccard similarity over word 5-grams, held against the S-curve and against
//! what a run kept.
//!
//! `cargo bench --bench pairs -- DOCUMENTS.jsonl BANDS ROWS LEAST KEPT.jsonl…`: the run's input, its settings, its output;
//! documents need distinct `id`s.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark")]

use std::collections::{HashMap, HashSet};
use std::io::BufRead;

use tamis::sketch::minhash::{MinHash, Minima};
use tamis::sketch::shingle::{Roller, lower_word};
use tamis::sketch::{hash, scurve};

#[derive(serde::Deserialize)]
struct Doc {
    id: String,
    text: String,
}

fn documents(path: &str) -> Vec<Doc> {
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    file.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

fn shingles(text: &str) -> Vec<u64> {
    let (mut spans, mut roller, mut buffer) = (Vec::new(), Roller::new(5), Vec::new());
    tamis::text::words::unicode::words(text, &mut spans);
    let words = spans.iter().map(|&(start, end)| lower_word(&text[start as usize..end as usize], &mut buffer));
    words.filter_map(|word| roller.push(word)).collect()
}

/// Every pair that has anything in common, by an inverted index of all n-grams: (smaller, greater) → in common.
fn pairs(sets: &[HashSet<u64>]) -> HashMap<(u32, u32), u32> {
    let mut holders: HashMap<u64, Vec<u32>> = HashMap::new();
    for (doc, set) in sets.iter().enumerate() {
        set.iter().for_each(|&gram| holders.entry(gram).or_default().push(doc as u32));
    }
    let mut common = HashMap::new();
    for docs in holders.values() {
        for (at, &b) in docs.iter().enumerate() {
            docs[..at].iter().for_each(|&a| *common.entry((a, b)).or_default() += 1);
        }
    }
    common
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let [path, bands, rows, least, kept @ ..] = arguments.as_slice() else {
        panic!("see the first lines of this file")
    };
    let (bands, rows, least): (u32, u32, f64) = (bands.parse().unwrap(), rows.parse().unwrap(), least.parse().unwrap());
    let docs = documents(path);
    let grams: Vec<Vec<u64>> = docs.iter().map(|doc| shingles(&doc.text)).collect();
    let sets: Vec<HashSet<u64>> = grams.iter().map(|grams| grams.iter().copied().collect()).collect();
    let family = MinHash::new(bands as usize, rows as usize, 1);
    let keys: Vec<Vec<u64>> = grams.iter().map(|grams| keys(&family, grams)).collect();
    let common = pairs(&sets);
    let jaccard =
        |a: usize, b: usize, both: u32| f64::from(both) / (sets[a].len() + sets[b].len() - both as usize) as f64;
    println!("{} documents, {} pairs with anything in common", docs.len(), common.len());
    println!("| similarity | pairs | share a band | the curve says |\n|---|---|---|---|");
    let mut steps = [(0u32, 0u32, 0.0f64); 20];
    for (&(a, b), &both) in &common {
        let s = jaccard(a as usize, b as usize, both);
        let step = &mut steps[((s * 20.0) as usize).min(19)];
        let candidates = keys[a as usize].iter().zip(&keys[b as usize]).any(|(x, y)| x == y);
        *step = (step.0 + 1, step.1 + u32::from(candidates), step.2 + scurve::probability(s, bands, rows));
    }
    for (at, (pairs, candidates, due)) in steps.iter().enumerate().filter(|(_, s)| s.0 > 0) {
        let n = f64::from(*pairs);
        println!(
            "| {:.2} to {:.2} | {pairs} | {:.4} | {:.4} |",
            at as f64 / 20.0,
            (at + 1) as f64 / 20.0,
            f64::from(*candidates) / n,
            due / n
        );
    }
    held_against_the_curve(&common, &jaccard, &keys, bands, rows);
    if !kept.is_empty() {
        account(&docs, &common, jaccard, least, kept);
    }
}

/// Pairs of which no two share a document, as many as a greedy choice finds: what becomes of them is independent, so that
/// the number that share a band is near its expectation by a known standard error. Ends the program beyond four of them.
fn held_against_the_curve(
    common: &HashMap<(u32, u32), u32>,
    jaccard: &impl Fn(usize, usize, u32) -> f64,
    keys: &[Vec<u64>],
    bands: u32,
    rows: u32,
) {
    let mut all: Vec<_> = common.iter().map(|(&pair, &both)| (pair, both)).collect();
    all.sort_unstable();
    let mut used = vec![false; keys.len()];
    let (mut pairs, mut seen, mut due, mut variance) = (0u32, 0u32, 0.0, 0.0);
    for ((a, b), both) in all {
        let (a, b) = (a as usize, b as usize);
        let s = jaccard(a, b, both);
        if !(0.4..1.0).contains(&s) || used[a] || used[b] {
            continue;
        }
        (used[a], used[b]) = (true, true);
        let p = scurve::probability(s, bands, rows);
        (pairs, due, variance) = (pairs + 1, due + p, variance + p * (1.0 - p));
        seen += u32::from(keys[a].iter().zip(&keys[b]).any(|(x, y)| x == y));
    }
    let errors = (f64::from(seen) - due) / variance.sqrt().max(1e-9);
    println!(
        "of {pairs} disjoint pairs of 0.4 to 1, {seen} share a band, {due:.1} were due: {errors:+.2} standard errors"
    );
    assert!(errors.abs() < 4.0, "the curve is not kept");
}

fn keys(family: &MinHash, grams: &[u64]) -> Vec<u64> {
    let (mut minima, mut keys) = (Minima::default(), Vec::new());
    family.start(&mut minima);
    grams.iter().for_each(|&gram| family.push(&mut minima, gram));
    family.bands(&mut minima, |band, bytes| keys.push(hash::seeded(bytes, band)));
    keys
}

/// Whoever went should be like one that stayed, and no two that stayed should be alike.
fn account(
    docs: &[Doc],
    common: &HashMap<(u32, u32), u32>,
    jaccard: impl Fn(usize, usize, u32) -> f64,
    least: f64,
    kept: &[String],
) {
    let stays: HashSet<String> = kept.iter().flat_map(|path| documents(path)).map(|doc| doc.id).collect();
    let stays: Vec<bool> = docs.iter().map(|doc| stays.contains(&doc.id)).collect();
    let mut nearest = vec![0.0f64; docs.len()];
    let (mut alike, mut missed) = (0, 0);
    for (&(a, b), &both) in common {
        let (a, b) = (a as usize, b as usize);
        let s = jaccard(a, b, both);
        alike += usize::from(s >= least);
        missed += usize::from(s >= least && stays[a] && stays[b]);
        if stays[a] {
            nearest[b] = nearest[b].max(s);
        }
        if stays[b] {
            nearest[a] = nearest[a].max(s);
        }
    }
    let went: Vec<usize> = (0..docs.len()).filter(|&d| !stays[d]).collect();
    let right = went.iter().filter(|&&d| nearest[d] >= least).count();
    let due = (0..docs.len()).filter(|&d| nearest[d] >= least).count();
    println!(
        "{} documents went, {right} of them at least {least} alike to one that stayed: precision {:.4}",
        went.len(),
        right as f64 / went.len() as f64
    );
    println!("of {due} documents that alike to one that stayed, {right} went: recall {:.4}", right as f64 / due as f64);
    println!("of {alike} pairs that alike, both stayed of {missed}");
    assert_eq!(right, went.len(), "a document went that is not alike to any that stayed");
}
