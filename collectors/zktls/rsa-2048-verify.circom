pragma circom 2.1.6;

include "@zk-email/circuits/lib/rsa.circom";

component main {public [message, modulus]} = RSAVerifier65537(121, 17);
