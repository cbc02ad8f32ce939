// Proves the encryption of one TLS record with the S-two prover of
// @reclaimprotocol/zk-symmetric-crypto and tells each proof as a line of JSON, as contract.py
// describes. Usage:
//   node stwo.mjs --packages DIR --cipher chacha20 --size 16384 --proofs 5
// DIR holds node_modules. Exit code 1 and a line on stderr when something cannot be done.
import { createCipheriv, createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const PACKAGE = '@reclaimprotocol/zk-symmetric-crypto'
const FLIPS = 8
// Key bytes and the name that Node's own cipher has; its IV is made from nonce and counter.
const CIPHERS = {
  chacha20: { key: 32, node: 'chacha20', iv: (nonce, counter) => [le32(counter), nonce] },
  'aes-128-ctr': { key: 16, node: 'aes-128-ctr', iv: (nonce, counter) => [nonce, be32(counter)] },
  'aes-256-ctr': { key: 32, node: 'aes-256-ctr', iv: (nonce, counter) => [nonce, be32(counter)] },
}

function le32(number) {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(number)
  return bytes
}

function be32(number) {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(number)
  return bytes
}

function sha256(...parts) {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

function say(record) {
  process.stdout.write(JSON.stringify(record) + '\n')
}

// Fixed inputs: the size of a proof depends on them. The ciphertext comes from Node, so that
// what is proven does not rest on the prover's own cipher.
function statement(name, size, first) {
  const cipher = CIPHERS[name]
  const key = Buffer.alloc(cipher.key, 0x07)
  const nonce = Buffer.alloc(12, 0x03)
  const counter = 1
  const plaintext = Buffer.from(Array.from({ length: size }, (_, i) => (7 * i + first) % 256))
  const coder = createCipheriv(cipher.node, key, Buffer.concat(cipher.iv(nonce, counter)))
  const ciphertext = Buffer.concat([coder.update(plaintext), coder.final()])
  return { key, nonce, counter, plaintext, ciphertext }
}

function publicInputs(made, changes = {}) {
  const { nonce, counter, plaintext, ciphertext } = { ...made, ...changes }
  return { noncesAndCounters: [{ nonce, counter }], in: ciphertext, out: plaintext }
}

async function timed(work) {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const result = await work()
  const wall = (performance.now() - start) / 1e3
  const used = process.cpuUsage(cpu)
  return [result, wall, (used.user + used.system) / 1e6]
}

async function proven(operator, common, phase, index, made) {
  const [{ proof }, proveS, proveCpuS] = await timed(async () => {
    // What the package calls a witness is its inputs as JSON; the real one is made in here.
    const witness = await operator.generateWitness({ ...publicInputs(made), key: made.key })
    return operator.groth16Prove(witness)
  })
  const [verified, verifyS, verifyCpuS] = await timed(() =>
    operator.groth16Verify(publicInputs(made), proof),
  )
  say({
    record: 'proof',
    phase,
    ...common,
    index,
    execute_s: null,
    witness_s: null,
    witness_cpu_s: null,
    prove_s: proveS,
    prove_cpu_s: proveCpuS,
    verify_s: verifyS,
    verify_cpu_s: verifyCpuS,
    proof_bytes: proof.length,
    reported_proof_bytes: null,
    proof_sha256: sha256(proof),
    input_sha256: sha256(made.key, made.nonce, le32(made.counter), made.plaintext),
    cycles: null,
    cycle_kind: null,
    time_scope: 'total',
    bytes_sent: null,
    bytes_received: null,
    peak_memory_bytes: process.resourceUsage().maxRSS * 1024,
    verified: verified === true,
  })
  return proof
}

function changed(bytes, at, mask = 1) {
  const copy = Buffer.from(bytes)
  copy[at] ^= mask
  return copy
}

async function controls(operator, common, made, proof, other, otherProof) {
  const last = made.plaintext.length - 1
  const { nonce, counter, plaintext, ciphertext } = made
  const wrong = [
    ['public-input', 'first byte of the ciphertext', { ciphertext: changed(ciphertext, 0) }, proof],
    ['public-input', 'last byte of the plaintext', { plaintext: changed(plaintext, last) }, proof],
    ['public-input', 'nonce', { nonce: changed(nonce, 0) }, proof],
    ['public-input', 'counter', { counter: counter + 1 }, proof],
    ['other-statement', 'proof of another plaintext', {}, otherProof],
    ['other-statement', 'another plaintext', publicPart(other), proof],
  ]
  for (let n = 0; n < FLIPS; n++) {
    const at = Math.floor(((2 * n + 1) * proof.length) / (2 * FLIPS))
    wrong.push(['proof', `bit ${n % 8} of byte ${at}`, {}, changed(proof, at, 1 << n % 8)])
  }
  for (const [kind, detail, changes, shown] of wrong) {
    let accepted = false
    let message = ''
    const logger = { warn: (fields, text) => (message = fields?.error ?? text ?? fields) }
    try {
      const inputs = publicInputs(made, changes)
      accepted = (await operator.groth16Verify(inputs, shown, logger)) === true
    } catch (error) {
      message = error.message ?? error
    }
    const reason = String(message).replace(/[^ -~]+/g, ' ').slice(0, 160)
    const sentence = reason ? `${detail}: ${reason}` : detail
    say({ record: 'control', statement: common.statement, kind, accepted, detail: sentence })
  }
}

function publicPart({ plaintext, ciphertext }) {
  return { plaintext, ciphertext }
}

async function main() {
  const { values } = parseArgs({
    options: {
      packages: { type: 'string' },
      cipher: { type: 'string' },
      size: { type: 'string' },
      proofs: { type: 'string' },
    },
  })
  const { cipher } = values
  const [size, proofs] = [Number(values.size), Number(values.proofs)]
  if (!(cipher in CIPHERS) || !Number.isInteger(size) || size < 64 || size % 64 || !(proofs > 0)) {
    throw new Error('usage: --packages DIR --cipher NAME --size 64*N --proofs N')
  }
  const entry = createRequire(resolve(values.packages, 'package.json')).resolve(`${PACKAGE}/stwo`)
  const folder = dirname(entry)
  const manifest = JSON.parse(readFileSync(join(folder, '..', '..', 'package.json'), 'utf8'))
  const { makeStwoZkOperator } = await import(pathToFileURL(entry).href)
  const operator = makeStwoZkOperator({ algorithm: cipher })
  say({
    record: 'prover',
    schema: 1,
    prover: 's-two',
    prover_version: manifest.version,
    proof_system: 'stark',
    proof_mode: 'stark',
    program_sha256: sha256(readFileSync(join(folder, 's2circuits_bg.wasm'))),
    field: 'M31',
    security_bits: null,
    security_note: 'the package documents no security level',
    threads: 1,
    hash: null,
    dev_mode: false,
  })
  const common = { statement: cipher, size }
  // The proof of the warm-up is of another record: it is the valid proof of another statement.
  const other = statement(cipher, size, 11)
  const made = statement(cipher, size, 3)
  const otherProof = await proven(operator, common, 'warmup', 0, other)
  let proof
  for (let index = 0; index < proofs; index++) {
    proof = await proven(operator, common, 'measured', index, made)
  }
  await controls(operator, common, made, proof, other, otherProof)
  say({ record: 'end' })
}

main().catch((error) => {
  console.error(`stwo: ${error.message ?? error}`)
  process.exitCode = 1
})
