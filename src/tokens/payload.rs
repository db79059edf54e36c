//! The native form of tokens: ids one after another in little-endian, two or four bytes each.

use crate::error::{Error, Result};

/// How wide an id is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Width {
    /// Two bytes.
    #[serde(rename = "uint16")]
    U16,
    /// Four bytes. Ids are below 2^31, so that readers of signed numbers see the same.
    #[serde(rename = "uint32")]
    U32,
}

impl Width {
    /// In bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::U16 => 2,
            Self::U32 => 4,
        }
    }

    /// Appends ids; an error if one does not fit.
    pub fn append(self, ids: &[u32], out: &mut Vec<u8>) -> Result<()> {
        let most = u32::from(u16::MAX);
        // One look for all and one loop without a branch: both are vectorized.
        if self == Self::U16 && ids.iter().fold(0, |all, id| all | id) > most {
            let id = ids.iter().find(|id| **id > most).copied().unwrap_or_default();
            return Err(Error::pipeline(format!("the id {id} does not fit two bytes"))
                .hint("leave `width` out, or write `width: 4`"));
        }
        let start = out.len();
        out.resize(start + ids.len() * self.bytes(), 0);
        let room = out.get_mut(start..).unwrap_or_default();
        match self {
            Self::U16 => {
                room.chunks_exact_mut(2).zip(ids).for_each(|(to, id)| to.copy_from_slice(&(*id as u16).to_le_bytes()));
            }
            Self::U32 => room.chunks_exact_mut(4).zip(ids).for_each(|(to, id)| to.copy_from_slice(&id.to_le_bytes())),
        }
        Ok(())
    }

    /// Appends the ids in `bytes`.
    pub fn read(self, bytes: &[u8], ids: &mut Vec<u32>) {
        match self {
            Self::U16 => ids
                .extend(bytes.chunks_exact(2).map(|b| u32::from(u16::from_le_bytes(b.try_into().unwrap_or_default())))),
            Self::U32 => {
                ids.extend(bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap_or_default())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_in_either_width() {
        for width in [Width::U16, Width::U32] {
            let mut bytes = Vec::new();
            width.append(&[0, 1, 65_535], &mut bytes).unwrap();
            assert_eq!(bytes.len(), 3 * width.bytes());
            let mut ids = vec![7];
            width.read(&bytes, &mut ids);
            assert_eq!(ids, [7, 0, 1, 65_535]);
        }
        let error = Width::U16.append(&[1, 70_000, 65_536], &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("70000"), "{error}");
    }
}
