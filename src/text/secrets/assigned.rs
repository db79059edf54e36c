//! Values assigned to names that say they are secret: `DB_PASSWORD = "…"`, `"apiKey": "…"`, `export AUTH_TOKEN=…`.

use super::{ASSIGNED, entropy, placeholder};

/// Ends of names whose values are secrets. Each also with a capital, and in capitals.
const WORDS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "accesskey",
    "secret_key",
    "private_key",
    "auth_key",
];

/// How the words are written in names: `token`, `Token` (of `authToken`), `TOKEN`.
pub fn words() -> Vec<String> {
    let mut all: Vec<String> =
        WORDS.iter().flat_map(|w| [(*w).to_owned(), w.to_ascii_uppercase(), capital(w)]).collect();
    all.extend(
        ["apiKey", "ApiKey", "accessKey", "AccessKey", "secretKey", "SecretKey", "privateKey", "authKey"]
            .map(str::to_owned),
    );
    all.sort_unstable();
    all.dedup();
    all
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Shortest and longest value that is looked at, in bytes.
const SHORTEST: usize = 8;
const LONGEST: usize = 160;

/// A secret assigned to the name in which the word `start..end` stands.
pub fn find(bytes: &[u8], _start: usize, end: usize, min_entropy: f64) -> Option<(&'static str, usize, usize)> {
    let at = operator(bytes, name_end(bytes, end)?)?;
    let quote = bytes.get(at).copied().filter(|b| b"\"'`".contains(b));
    let start = at + usize::from(quote.is_some());
    let tail = bytes.get(start..bytes.len().min(start + LONGEST))?;
    let length = match quote {
        // A string ends with its quote, on its line.
        Some(quote) => {
            tail.iter().position(|b| *b == quote || *b == b'\n').filter(|at| tail.get(*at) == Some(&quote))?
        }
        None => {
            tail.iter().position(|b| b.is_ascii_whitespace() || b"\"'`;,&|<>(){}[]".contains(b)).unwrap_or(tail.len())
        }
    };
    let value = tail.get(..length)?;
    let called = quote.is_none() && tail.get(length).is_some_and(|b| b"({[".contains(b));
    // A value that goes on behind a mark such as `<SECRET>` is no longer the value that was written.
    let cut = tail.get(length) == Some(&b'<') && !value.last().is_some_and(u8::is_ascii_alphanumeric);
    let least = if quote.is_some() { SHORTEST } else { 16 };
    (!called && !cut && value.len() >= least && drawn(value, min_entropy) && !placeholder(value)).then_some((
        ASSIGNED,
        start,
        start + length,
    ))
}

/// Where the name that goes on at `at` ends: `token` of `token_v2`, but not of `tokenizer` or `tokens`.
fn name_end(bytes: &[u8], at: usize) -> Option<usize> {
    let tail = bytes.get(at..bytes.len().min(at + 24))?;
    let length = tail.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_'))?;
    let goes_on = tail.first().is_some_and(u8::is_ascii_lowercase);
    (!goes_on).then_some(at + length)
}

/// Where the value begins that is assigned after a name which ends at `at`: after `=`, `:`, `:=`, `=>`, with quotes and spaces.
fn operator(bytes: &[u8], at: usize) -> Option<usize> {
    let tail = bytes.get(at..bytes.len().min(at + 16))?;
    let skip = |from: usize, set: &[u8], most: usize| {
        from + tail.get(from..).unwrap_or_default().iter().take(most).take_while(|b| set.contains(b)).count()
    };
    let mut here = skip(0, b"\"'`]", 2);
    here = skip(here, b" \t", 4);
    let operator = skip(here, b"=:>", 2);
    let written = tail.get(here..operator)?;
    // A comparison is no assignment.
    if written.is_empty() || matches!(written, b"==" | b">" | b">=" | b"::") {
        return None;
    }
    Some(at + skip(operator, b" \t", 4))
}

/// Whether a value looks drawn by lot: letters and digits mixed, no words, path or address, and little that repeats.
fn drawn(value: &[u8], min_entropy: f64) -> bool {
    let count = |is: fn(&u8) -> bool| value.iter().filter(|b| is(b)).count();
    let (digits, letters) = (count(u8::is_ascii_digit), count(u8::is_ascii_alphabetic));
    let plain = value.iter().all(|b| b.is_ascii_graphic());
    let symbols = value.len() - digits - letters;
    let path = value.contains(&b'/') && value.split(|b| *b == b'/').filter(|p| p.len() > 1).count() > 2 && symbols > 2;
    // `api::v1::Token2`, `this->key4`: paths of code.
    let path_of_code = value.windows(2).any(|two| matches!(two, b"::" | b"->"));
    let code = value.iter().any(|b| b"(){}<>$%\\".contains(b)) || value.starts_with(b"http") || path_of_code;
    // Short values cannot have many bits for each byte: eight different ones have three.
    let most = (value.len() as f64).log2();
    plain
        && !path
        && !code
        && digits > 0
        && letters > 1
        && symbols * 3 <= value.len()
        && entropy(value) >= min_entropy.min(most * 0.85)
        && !identifier(value)
}

/// Whether a value reads as a name: words between `_`, `-` or `.`, with digits only at the end of words.
fn identifier(value: &[u8]) -> bool {
    let mut words = value.split(|b| b"_-.".contains(b)).filter(|w| !w.is_empty());
    words.all(|word| {
        let letters = word.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let tail = word.get(letters..).unwrap_or_default();
        let one_case = word
            .get(1..letters)
            .is_none_or(|rest| rest.iter().all(u8::is_ascii_lowercase) || rest.iter().all(u8::is_ascii_uppercase));
        letters <= 14 && one_case && tail.len() <= 4 && tail.iter().all(u8::is_ascii_digit)
    })
}
