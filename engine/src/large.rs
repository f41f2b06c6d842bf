//! stub
/// x
pub(crate) const LARGE_BYTES_MIN: usize = 65536;
/// x
#[derive(Clone, Debug)]
pub struct LargeString(std::sync::Arc<[u8]>);
impl LargeString {
    /// x
    pub fn from_slice(b: &[u8]) -> Self {
        Self(b.into())
    }
    /// x
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// x
    pub fn memory(&self) -> usize {
        self.0.len()
    }
    /// x
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}
