//! Lots: numbers that look drawn, and are the same wherever and whenever they are drawn from the same seed.

/// The number that this seed gives to these numbers together. It is `SplitMix64` (Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", 2014) and will stay so: a run that goes on with a later version draws the same.
pub(super) fn lot(seed: u64, numbers: &[usize]) -> u64 {
    numbers.iter().fold(mix(seed), |drawn, &number| mix(drawn ^ mix(number as u64)))
}

fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
