//! `tamis forget` takes documents out of an index, by id and by address, and says which files it wrote anew.

use crate::place::Place;

fn text(seed: u64) -> String {
    (0..200u64).map(|i| format!("w{} ", (seed * 7919 + i * i * 31) % 9973)).collect()
}

#[test]
fn what_is_forgotten_is_new_again() {
    let place = Place::new();
    let line = |at: u64| {
        let url = format!("https://www.example.com/{at}/?utm_source=feed");
        format!("{}\n", serde_json::json!({ "text": text(at), "url": url }))
    };
    place.write("a.jsonl", (0..40).map(line).collect::<String>());
    let pipeline = |name: &str, settings: &str| {
        let steps = format!("steps: [{{ minhash: {{ {settings} }} }}]");
        let write = format!("write: {{ jsonl: {{ dir: {name}-out, compression: none }} }}");
        place.write(&format!("{name}.yaml"), format!("read: {{ jsonl: a.jsonl }}\n{steps}\n{write}\n"));
        place.tamis(&["run", &format!("{name}.yaml")]).done();
        place.lines(&format!("{name}-out"))
    };
    let first = pipeline("first", "index: seen");
    assert_eq!(first.len(), 40);
    assert_eq!(pipeline("second", "against: seen").len(), 0);
    let id = first[3]["tamis_id"].as_str().unwrap();
    place.write("urls.txt", "http://example.com/7\n\nexample.com/8/#top\nhttps://example.com/none\n");
    let forget = |more: &[&str]| place.tamis(&[&["forget", "seen"], more].concat()).done();
    let asked = ["--id", id, "--urls", "urls.txt", "--url", "https://example.com/9", "--json"];
    let forgotten = forget(&asked).json();
    assert_eq!(forgotten["documents"], 4);
    let files = forgotten["files"].as_array().unwrap();
    assert!((1..=4).contains(&files.len()));
    assert!(files.iter().all(|file| place.path(file.as_str().unwrap()).is_file()), "{files:?}");
    let again = forget(&asked).json();
    assert_eq!((&again["documents"], &again["files"]), (&0.into(), &serde_json::json!([])), "twice is once");
    let told = forget(&["--url", "https://example.com/10"]).out;
    assert!(told.starts_with("1 documents of 1 addresses were in the index") && told.contains("written anew: seen/"));
    // The index is a resource of the run: what was done with the old one is done anew.
    let back = pipeline("second", "against: seen");
    let mut urls: Vec<&str> = back.iter().map(|line| line["url"].as_str().unwrap()).collect();
    urls.sort_unstable();
    let expected = [10, 3, 7, 8, 9].map(|at| format!("https://www.example.com/{at}/?utm_source=feed"));
    assert_eq!(urls, expected);
    assert_eq!(place.tamis(&["forget", "seen"]).code, 2, "nothing to forget");
    assert!(place.tamis(&["forget", "seen", "--id", "xyz"]).err.contains("is no document id"));
}
