// node-redis (the package "redis"), in RESP2 and RESP3.
// usage: node node_redis.cjs PORT     (run by ../clients.rs)
"use strict";

const assert = require("node:assert");
const { createClient, WatchError } = require("redis");

async function check(port, RESP) {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP });
  client.on("error", (error) => console.error(error));
  await client.connect();
  await client.flushAll();
  assert.strictEqual(await client.ping(), "PONG");
  assert.strictEqual(await client.set("k", "v", { expiration: { type: "EX", value: 100 } }), "OK");
  assert.strictEqual(await client.get("k"), "v");
  assert.ok((await client.ttl("k")) > 98);
  assert.strictEqual(await client.get("missing"), null);
  assert.strictEqual(await client.incrBy("n", 7), 7);
  await client.mSet({ a: "1", b: "2" });
  assert.deepStrictEqual(await client.mGet(["a", "b", "c"]), ["1", "2", null]);
  assert.deepStrictEqual(await client.multi().set("t", "1").incr("t").get("t").exec(), ["OK", 2, "2"]);
  // Sent in one turn of the loop, so the library pipelines them.
  const sets = Array.from({ length: 1000 }, (_, i) => client.set(`p:${i}`, String(i)));
  assert.ok((await Promise.all(sets)).every((reply) => reply === "OK"));
  const seen = new Set();
  for await (const keys of client.scanIterator({ MATCH: "p:*", COUNT: 100 })) {
    [keys].flat().forEach((key) => seen.add(key));
  }
  assert.strictEqual(seen.size, 1000);
  const other = client.duplicate();
  await other.connect();
  await client.watch("k");
  await other.set("k", "changed");
  await assert.rejects(client.multi().set("k", "mine").exec(), WatchError);
  assert.strictEqual(await client.get("k"), "changed");
  await assert.rejects(client.incr("k"), /not an integer/);
  await client.clientSetName("tester");
  assert.strictEqual(await client.clientGetName(), "tester");
  assert.match(await client.info("server"), /redis_version:7\./);
  await other.close();
  await client.close();
  console.log(`node-redis RESP${RESP}: ok`);
}

async function main() {
  await check(Number(process.argv[2]), 2);
  await check(Number(process.argv[2]), 3);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
