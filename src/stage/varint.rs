//! Numbers in as few bytes as they need: what links and findings are written in.

use std::io::BufRead;

use crate::error::{Error, Result};

/// Appends `number`, seven bits a byte, lowest first.
pub fn write(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a number; `None` at the end of the input.
pub fn read(from: &mut dyn BufRead) -> Result<Option<u64>> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = {
            let buffer = from.fill_buf().map_err(|e| Error::world("cannot read links").because(e))?;
            match buffer.first() {
                Some(&byte) => byte,
                None if shift == 0 => return Ok(None),
                None => return Err(cut()),
            }
        };
        from.consume(1);
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(Some(number));
        }
    }
    Err(cut())
}

/// Reads a number that must be there.
pub fn expect(from: &mut dyn BufRead) -> Result<u64> {
    read(from)?.ok_or_else(cut)
}

fn cut() -> Error {
    Error::world("the links of a global stage are cut short")
        .hint("remove the run folder's links of this stage and run again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in prop::collection::vec(any::<u64>(), 0..20)) {
            let mut bytes = Vec::new();
            numbers.iter().for_each(|&n| write(n, &mut bytes));
            let mut from = &bytes[..];
            for &n in &numbers {
                prop_assert_eq!(read(&mut from).unwrap(), Some(n));
            }
            prop_assert_eq!(read(&mut from).unwrap(), None);
        }

        #[test]
        fn any_bytes_end_in_a_number_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut from = &bytes[..];
            while let Ok(Some(_)) = read(&mut from) {}
        }
    }

    #[test]
    fn a_number_cut_short_is_an_error() {
        assert!(read(&mut &[0x80u8][..]).is_err());
        assert!(expect(&mut &[][..]).is_err());
    }
}
