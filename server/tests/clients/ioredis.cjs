// ioredis with its default settings, as an application would use it.
// usage: node ioredis.cjs PORT     (run by ../clients.rs)
"use strict";

const assert = require("node:assert");
const Redis = require("ioredis");

async function basics(redis) {
  assert.strictEqual(await redis.ping(), "PONG");
  assert.strictEqual(await redis.set("k", "v"), "OK");
  assert.strictEqual(await redis.get("k"), "v");
  assert.strictEqual(await redis.get("missing"), null);
  assert.strictEqual(await redis.set("k", "w", "NX"), null);
  assert.strictEqual(await redis.set("k", "w", "EX", 100, "GET"), "v");
  const ttl = await redis.ttl("k");
  assert.ok(ttl > 98 && ttl <= 100, `ttl ${ttl}`);
  assert.strictEqual(await redis.mset({ a: 1, b: "two" }), "OK");
  assert.deepStrictEqual(await redis.mget("a", "b", "c"), ["1", "two", null]);
  assert.strictEqual(await redis.incrby("n", 5), 5);
  assert.strictEqual(await redis.incrbyfloat("f", 0.5), "0.5");
  assert.strictEqual(await redis.del("a", "b", "c"), 2);
  const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await redis.set("bin", binary);
  assert.ok(binary.equals(await redis.getBuffer("bin")));
  await assert.rejects(redis.incr("k"), /not an integer or out of range/);
  await assert.rejects(redis.call("NOSUCH"), /unknown command/);
}

async function pipelines(redis) {
  const pipeline = redis.pipeline();
  for (let i = 0; i < 2000; i++) pipeline.set(`p:${i}`, i);
  const replies = await pipeline.get("p:1999").exec();
  assert.strictEqual(replies.length, 2001);
  assert.deepStrictEqual(replies[2000], [null, "1999"]);
  const results = await redis.multi().set("t", 1).incr("t").get("t").exec();
  assert.deepStrictEqual(results, [[null, "OK"], [null, 2], [null, "2"]]);
  const many = await Promise.all(Array.from({ length: 500 }, (_, i) => redis.get(`p:${i}`)));
  assert.ok(many.every((value, i) => value === String(i)));
}

async function scan(redis) {
  const seen = new Set();
  for await (const keys of redis.scanStream({ match: "p:*", count: 100 })) {
    keys.forEach((key) => seen.add(key));
  }
  assert.strictEqual(seen.size, 2000);
}

async function watch(redis, other) {
  await redis.set("balance", 1);
  await redis.watch("balance");
  await other.set("balance", 2);
  assert.strictEqual(await redis.multi().set("balance", 3).exec(), null);
  assert.strictEqual(await redis.get("balance"), "2");
}

async function main() {
  const port = Number(process.argv[2]);
  const redis = new Redis(port);
  const other = redis.duplicate();
  await redis.flushall();
  await basics(redis);
  await pipelines(redis);
  await scan(redis);
  await watch(redis, other);
  assert.match(await redis.info(), /redis_version:7\./);
  assert.strictEqual(await redis.select(1), "OK");
  assert.strictEqual(await redis.dbsize(), 0);
  await Promise.all([redis.quit(), other.quit()]);
  console.log("ioredis: ok");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
