pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "circomlib/circuits/sha256/sha256.circom";

// Knowledge of n bytes whose SHA-256 is the public digest, as two big-endian halves.
template HashedBytes(n) {
    signal input data[n];
    signal output digest[2];

    component bits[n];
    component hash = Sha256(8 * n);
    for (var i = 0; i < n; i++) {
        bits[i] = Num2Bits(8);
        bits[i].in <== data[i];
        for (var j = 0; j < 8; j++) {
            hash.in[8 * i + j] <== bits[i].out[7 - j];
        }
    }

    component half[2];
    for (var h = 0; h < 2; h++) {
        half[h] = Bits2Num(128);
        for (var j = 0; j < 128; j++) {
            half[h].in[j] <== hash.out[128 * h + 127 - j];
        }
        digest[h] <== half[h].out;
    }
}

component main = HashedBytes(BYTES);
