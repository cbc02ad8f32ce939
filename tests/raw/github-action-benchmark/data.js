window.BENCHMARK_DATA = {
 "lastUpdate": 1777709300000,
 "repoUrl": "https://example.com/demo",
 "entries": {
  "Go": [
   {
    "commit": {
     "author": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "committer": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "id": "0101010101010101010101010101010101010101",
     "message": "change 1",
     "timestamp": "2026-05-01T10:00:00+02:00",
     "url": "https://example.com/commit/1"
    },
    "date": 1777622400000,
    "tool": "go",
    "benches": [
     {
      "name": "BenchmarkSet",
      "value": 7721,
      "unit": "ns/op\t   4.14 MB/s\t     344 B/op\t      15 allocs/op",
      "extra": "140911 times\n4 procs"
     },
     {
      "name": "BenchmarkSet - ns/op",
      "value": 7721,
      "unit": "ns/op",
      "extra": "140911 times\n4 procs"
     },
     {
      "name": "BenchmarkSet - MB/s",
      "value": 4.14,
      "unit": "MB/s",
      "extra": "140911 times\n4 procs"
     },
     {
      "name": "BenchmarkSet - B/op",
      "value": 344,
      "unit": "B/op",
      "extra": "140911 times\n4 procs"
     },
     {
      "name": "BenchmarkSet - allocs/op",
      "value": 15,
      "unit": "allocs/op",
      "extra": "140911 times\n4 procs"
     }
    ]
   },
   {
    "commit": {
     "author": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "committer": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "id": "0202020202020202020202020202020202020202",
     "message": "change 2",
     "timestamp": "2026-05-02T10:00:00+02:00",
     "url": "https://example.com/commit/2"
    },
    "date": 1777708800000,
    "tool": "go",
    "benches": [
     {
      "name": "BenchmarkSet",
      "value": 7700.5,
      "unit": "ns/op",
      "extra": "140911 times\n4 procs"
     }
    ]
   }
  ],
  "Rust": [
   {
    "commit": {
     "author": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "committer": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "id": "0101010101010101010101010101010101010101",
     "message": "change 1",
     "timestamp": "2026-05-01T10:00:00+02:00",
     "url": "https://example.com/commit/1"
    },
    "date": 1777622500000,
    "tool": "cargo",
    "benches": [
     {
      "name": "bench_fib_20",
      "value": 37174,
      "range": "± 7527",
      "unit": "ns/iter"
     }
    ]
   }
  ],
  "Python": [
   {
    "commit": {
     "author": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "committer": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "id": "0101010101010101010101010101010101010101",
     "message": "change 1",
     "timestamp": "2026-05-01T10:00:00+02:00",
     "url": "https://example.com/commit/1"
    },
    "date": 1777622600000,
    "tool": "pytest",
    "benches": [
     {
      "name": "tests/b.py::test_fib",
      "value": 41513.27,
      "unit": "iter/sec",
      "range": "stddev: 0.000012",
      "extra": "mean: 24.08 usec\nrounds: 10000"
     }
    ]
   }
  ],
  "Node": [
   {
    "commit": {
     "author": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "committer": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "id": "0101010101010101010101010101010101010101",
     "message": "change 1",
     "timestamp": "2026-05-01T10:00:00+02:00",
     "url": "https://example.com/commit/1"
    },
    "date": 1777622700000,
    "tool": "benchmarkjs",
    "benches": [
     {
      "name": "fib(20)",
      "value": 11465,
      "range": "±1.12%",
      "unit": "ops/sec",
      "extra": "91 samples"
     }
    ]
   }
  ],
  "C++": [
   {
    "commit": {
     "author": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "committer": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "id": "0101010101010101010101010101010101010101",
     "message": "change 1",
     "timestamp": "2026-05-01T10:00:00+02:00",
     "url": "https://example.com/commit/1"
    },
    "date": 1777622800000,
    "tool": "catch2",
    "benches": [
     {
      "name": "Fibonacci 20",
      "value": 43.186,
      "range": "± 11.719",
      "unit": "us",
      "extra": "100 samples\n2 iterations"
     }
    ]
   },
   {
    "commit": {
     "author": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "committer": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "id": "0202020202020202020202020202020202020202",
     "message": "change 2",
     "timestamp": "2026-05-02T10:00:00+02:00",
     "url": "https://example.com/commit/2"
    },
    "date": 1777709200000,
    "tool": "googlecpp",
    "benches": [
     {
      "name": "fib_20",
      "value": 25.63,
      "unit": "us/iter",
      "extra": "iterations: 26788\ncpu: 25.62 us\nthreads: 2"
     }
    ]
   }
  ],
  "Own": [
   {
    "commit": {
     "author": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "committer": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "id": "0101010101010101010101010101010101010101",
     "message": "change 1",
     "timestamp": "2026-05-01T10:00:00+02:00",
     "url": "https://example.com/commit/1"
    },
    "date": 1777622900000,
    "tool": "customBiggerIsBetter",
    "benches": [
     {
      "name": "frames",
      "value": 59.9,
      "unit": "fps"
     },
     {
      "name": "power",
      "value": 12.5,
      "unit": "mW"
     },
     {
      "name": "power",
      "value": 12.5,
      "unit": "MW"
     }
    ]
   },
   {
    "commit": {
     "author": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "committer": {
      "email": "jane@example.com",
      "name": "Jane Doe",
      "username": "jane"
     },
     "id": "0202020202020202020202020202020202020202",
     "message": "change 2",
     "timestamp": "2026-05-02T10:00:00+02:00",
     "url": "https://example.com/commit/2"
    },
    "date": 1777709300000,
    "tool": "customSmallerIsBetter",
    "benches": [
     {
      "name": "served",
      "value": "1,200",
      "unit": "req/s"
     }
    ]
   }
  ]
 }
}
