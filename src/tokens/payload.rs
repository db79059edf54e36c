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
        match self {
            Self::U32 => ids.iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes())),
            Self::U16 => {
                for &id in ids {
                    let id = u16::try_from(id).map_err(|_| {
                        Error::pipeline(format!("the id {id} does not fit two bytes"))
                            .hint("leave `width` out, or write `width: 4`")
                    })?;
                    out.extend_from_slice(&id.to_le_bytes());
                }
            }
        }
        Ok(())
    }

    /// The ids in `bytes`.
    pub fn ids(self, bytes: &[u8]) -> Vec<u32> {
        match self {
            Self::U16 => {
                bytes.chunks_exact(2).map(|b| u32::from(u16::from_le_bytes(b.try_into().unwrap_or_default()))).collect()
            }
            Self::U32 => bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap_or_default())).collect(),
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
            assert_eq!(width.ids(&bytes), [0, 1, 65_535]);
        }
        assert!(Width::U16.append(&[70_000], &mut Vec::new()).is_err());
    }
}
