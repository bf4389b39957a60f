//! SipHash-1-3 with a zero key: the checksum of refinery.
//!
//! Written out here because nothing we may use promises it: the hasher of the standard library is this function
//! today, but its documentation reserves the right to change it, and stored checksums must be read for ever.
//! Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", with one round per word and three at the end.

struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }

    fn word(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, byte| (word << 8) | u64::from(*byte))
}

/// SipHash-1-3 of the bytes, key zero.
#[must_use]
pub fn siphash_1_3(bytes: &[u8]) -> u64 {
    // the constants are the ASCII text "somepseudorandomlygeneratedbytes"
    let mut state = State {
        v0: 0x736f_6d65_7073_6575,
        v1: 0x646f_7261_6e64_6f6d,
        v2: 0x6c79_6765_6e65_7261,
        v3: 0x7465_6462_7974_6573,
    };
    let words = bytes.chunks_exact(8);
    let rest = little_endian(words.remainder());
    for word in words {
        state.word(little_endian(word));
    }
    // the last word holds what is left and, in its top byte, the length modulo 256
    state.word(rest | ((bytes.len() as u64) << 56));
    state.v2 ^= 0xff;
    for _ in 0..3 {
        state.round();
    }
    state.v0 ^ state.v1 ^ state.v2 ^ state.v3
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results of the reference implementation for the bytes 0, 1, 2, ... of length 0 to 63, key zero (as the tests
    /// of the OCaml runtime list them).
    const REFERENCE: [u64; 64] = [
        0xd1fb_a762_150c_532c,
        0x68a9_1412_8e01_e473,
        0x010b_ac45_c41e_3669,
        0x4d4c_9a4a_8ef6_e0ad,
        0x7cc4_3f98_813e_4dbd,
        0x5abe_2169_dff3_6275,
        0xe3c2_5f87_624f_1cdb,
        0x2f09_8ab0_c751_325a,
        0xead4_11e6_7ebe_2eea,
        0x7592_7f9d_9512_4362,
        0xaf9f_77a6_5ab5_1a1d,
        0xfe64_ce8b_6617_fcff,
        0xa6ba_f4fb_0f9f_e1c2,
        0xa0cf_3211_850f_8e0d,
        0x7f86_0493_79fb_fe67,
        0xf30e_b725_bb91_c9ea,
        0x8972_1884_33a5_c5b7,
        0x4883_c49a_2c00_9c1d,
        0xadc2_c0b6_3044_067d,
        0x091f_4a33_29f8_7d19,
        0x639e_355a_e68c_0100,
        0xb17b_ef2c_b521_3239,
        0xf8ae_b106_6236_ccfe,
        0x3733_2b13_89da_a4ff,
        0x3118_5a47_af93_2f3a,
        0xebf3_52e8_2ae2_3e2f,
        0xed36_ff24_2fe4_78b2,
        0x2454_d97d_2992_99df,
        0x8cd5_7fe8_130d_0ac7,
        0xbe98_eb2f_af0a_0e85,
        0xd427_c34e_e094_70c6,
        0x1697_3944_3111_d49b,
        0x31ef_8061_c910_629b,
        0x7fb7_1d24_dfa4_c9f6,
        0x9277_1f49_e836_d389,
        0x3c39_3cf6_f085_3bc3,
        0xac77_921f_cc64_2bd3,
        0x422a_9751_192f_f266,
        0xc680_ae8a_8c58_4ddf,
        0x6c76_b6d3_4bb6_d26b,
        0x95bc_321a_b41d_8206,
        0x908a_3a97_a6d3_7669,
        0xfcaf_3c64_874d_d0b4,
        0xf689_479b_32b8_4a44,
        0xd857_6410_79ef_d1fd,
        0x8b58_1578_7226_33f7,
        0x83cb_09d3_5ea7_bcd4,
        0x8485_f7f5_ae72_5a0d,
        0xfe1f_2445_ba50_237f,
        0x23ce_ce04_1d78_66b0,
        0x4166_8748_0b33_6c09,
        0xf159_60da_7e7f_3892,
        0xded6_177b_9826_835a,
        0xf80d_ae51_668b_e6be,
        0x17ec_c6ee_6647_df18,
        0x5220_d642_b4a5_2110,
        0xa4f0_cf4b_a4ad_c016,
        0xe512_5bb2_6d1f_2976,
        0x851b_0e75_f580_d256,
        0x1260_5250_a37e_39ac,
        0xd95a_7135_68da_ebf1,
        0xcdcf_4a42_ec0d_d605,
        0xa5c7_0871_2b61_7164,
        0x385d_3e39_e5f3_7359,
    ];

    #[test]
    fn equals_the_reference_for_every_length_to_63() {
        let bytes: Vec<u8> = (0..64).collect();
        for (length, expected) in REFERENCE.iter().enumerate() {
            assert_eq!(siphash_1_3(&bytes[..length]), *expected, "length {length}");
        }
    }

    #[test]
    fn the_length_counts_modulo_256() {
        // 256 zero bytes and none have the same top byte in the last word, yet not the same words before it
        assert_ne!(siphash_1_3(&[0; 256]), siphash_1_3(&[]));
        assert_ne!(siphash_1_3(&[0; 8]), siphash_1_3(&[0; 9]));
    }
}
