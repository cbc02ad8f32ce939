CREATE TABLE IF NOT EXISTS test (
  build_commit TEXT,
  avg_ts REAL
);
INSERT INTO test (build_commit, avg_ts) VALUES ('abc1234f', '51.05');
