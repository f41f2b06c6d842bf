// ioredis as job runners use it: streams with consumer groups, pub/sub, pipelines, scans.
// usage: node ioredis_streams.cjs PORT     (run by ../clients.rs)
"use strict";

const assert = require("node:assert");
const Redis = require("ioredis");

const LIMIT_MS = 20_000;

/** Waits until `count` clients are blocked. */
async function blocked(redis, count) {
  const deadline = Date.now() + LIMIT_MS;
  while (!(await redis.info("clients")).includes(`blocked_clients:${count}\r\n`)) {
    assert.ok(Date.now() < deadline, `${count} blocked clients were expected`);
  }
}

/** No wait of ours is longer than the limit. */
function within(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("nothing came in time")), LIMIT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function entries(redis) {
  assert.strictEqual(await redis.xadd("log", "1-1", "level", "info", "n", 1), "1-1");
  const id = await redis.xadd("log", "*", "n", 2);
  assert.match(id, /^\d{13}-\d+$/);
  assert.deepStrictEqual(await redis.xrange("log", "-", "1-1"), [
    ["1-1", ["level", "info", "n", "1"]],
  ]);
  assert.deepStrictEqual(await redis.xrevrange("log", "+", "-", "COUNT", 1), [[id, ["n", "2"]]]);
  assert.deepStrictEqual(await redis.xread("COUNT", 5, "STREAMS", "log", "1-1"), [
    ["log", [[id, ["n", "2"]]]],
  ]);
  await assert.rejects(redis.xadd("log", "1-1", "n", 3), /equal or smaller than the target/);
  assert.strictEqual(await redis.xdel("log", "1-1"), 1);
  for (let i = 0; i < 300; i++) redis.xadd("capped", "MAXLEN", "=", 100, "*", "i", i);
  assert.strictEqual(await redis.xlen("capped"), 100);
  assert.strictEqual(await redis.xtrim("capped", "MAXLEN", 10), 90);
}

async function group(redis, connect) {
  assert.strictEqual(await redis.xgroup("CREATE", "jobs", "crew", "$", "MKSTREAM"), "OK");
  await assert.rejects(redis.xgroup("CREATE", "jobs", "crew", "$"), /^ReplyError: BUSYGROUP/);

  // Two workers wait; whatever is added is handled once, by one of them.
  const jobs = 100;
  const done = new Map();
  const work = async (name) => {
    const worker = connect();
    while (done.size < jobs) {
      const reply = await worker.xreadgroup(
        "GROUP", "crew", name, "COUNT", 7, "BLOCK", 200, "STREAMS", "jobs", ">",
      );
      if (reply === null) continue;
      for (const [id, [field, job]] of reply[0][1]) {
        assert.strictEqual(field, "job");
        assert.ok(!done.has(job), `job ${job} was given twice`);
        done.set(job, name);
        assert.strictEqual(await redis.xack("jobs", "crew", id), 1);
      }
    }
    await worker.quit();
  };
  const workers = [work("ann"), work("bob")];
  await blocked(redis, 2);
  for (let i = 0; i < jobs; i++) await redis.xadd("jobs", "*", "job", i);
  await within(Promise.all(workers));
  assert.strictEqual(done.size, jobs);
  assert.deepStrictEqual(new Set(done.values()), new Set(["ann", "bob"]));
  assert.deepStrictEqual(await redis.xpending("jobs", "crew"), [0, null, null, null]);
}

async function recovery(redis) {
  // A worker takes three jobs and is never seen again; another takes them over.
  const ids = [];
  for (let i = 0; i < 3; i++) ids.push(await redis.xadd("jobs", "*", "job", `lost ${i}`));
  const take = ["GROUP", "crew", "lost", "STREAMS", "jobs", ">"];
  assert.strictEqual((await redis.xreadgroup(...take))[0][1].length, 3);
  const [count, first, last, owners] = await redis.xpending("jobs", "crew");
  assert.deepStrictEqual([count, first, last, owners], [3, ids[0], ids[2], [["lost", "3"]]]);
  const detail = await redis.xpending("jobs", "crew", "-", "+", 10, "lost");
  assert.deepStrictEqual(detail.map(([id, , , times]) => [id, times]), ids.map((id) => [id, 1]));

  const one = await redis.xautoclaim("jobs", "crew", "ann", 0, "0-0", "COUNT", 2);
  assert.strictEqual(one[0], ids[2]);
  assert.deepStrictEqual(one[1].map(([id]) => id), ids.slice(0, 2));
  const two = await redis.xautoclaim("jobs", "crew", "ann", 0, one[0]);
  assert.strictEqual(two[0], "0-0");
  assert.deepStrictEqual(two[1], [[ids[2], ["job", "lost 2"]]]);
  assert.deepStrictEqual(await redis.xautoclaim("jobs", "crew", "bob", 3_600_000, "0"), [
    "0-0", [], [],
  ]);
  const claimed = await redis.xclaim("jobs", "crew", "bob", 0, ids[0], "JUSTID");
  assert.deepStrictEqual(claimed, [ids[0]]);
  const mine = await redis.xreadgroup("GROUP", "crew", "ann", "STREAMS", "jobs", "0");
  assert.deepStrictEqual(mine[0][1].map(([id]) => id), ids.slice(1));
  assert.strictEqual(await redis.xack("jobs", "crew", ...ids), 3);

  const names = (await redis.xinfo("CONSUMERS", "jobs", "crew")).map((info) => info[1]);
  assert.deepStrictEqual(names.sort(), ["ann", "bob", "lost"]);
  assert.strictEqual(await redis.xgroup("DELCONSUMER", "jobs", "crew", "lost"), 0);
  const [info] = await redis.xinfo("GROUPS", "jobs");
  assert.deepStrictEqual(info.slice(0, 6), ["name", "crew", "consumers", 2, "pending", 0]);
  assert.strictEqual(await redis.xgroup("DESTROY", "jobs", "crew"), 1);
  const gone = redis.xreadgroup("GROUP", "crew", "ann", "STREAMS", "jobs", ">");
  await assert.rejects(gone, /^ReplyError: NOGROUP/);
}

async function pubsub(redis, connect) {
  const subscriber = connect();
  const heard = [];
  const all = new Promise((resolve) => {
    const hear = (line) => heard.push(line) === 201 && resolve();
    subscriber.on("message", (channel, text) => hear(`${channel}:${text}`));
    subscriber.on("pmessage", (pattern, channel, text) => hear(`${pattern}:${channel}:${text}`));
  });
  assert.strictEqual(await subscriber.subscribe("news", "sport"), 2);
  assert.strictEqual(await subscriber.psubscribe("we*"), 3);
  await assert.rejects(subscriber.get("k"), /subscriber mode/);
  const pipeline = redis.pipeline();
  for (let i = 0; i < 100; i++) pipeline.publish("news", i).publish("sport", i);
  const replies = await pipeline.publish("weather", "rain").publish("none", "x").exec();
  assert.deepStrictEqual(replies.map(([, receivers]) => receivers), [...Array(201).fill(1), 0]);
  await within(all);
  const numbers = Array.from({ length: 100 }, (_, i) => i);
  assert.deepStrictEqual(heard, [
    ...numbers.flatMap((i) => [`news:${i}`, `sport:${i}`]),
    "we*:weather:rain",
  ]);
  assert.deepStrictEqual(await redis.pubsub("NUMSUB", "news", "none"), ["news", 1, "none", 0]);
  const bytes = Buffer.from([0, 255, 13, 10]);
  const raw = new Promise((resolve) => {
    subscriber.once("messageBuffer", (channel, data) => resolve(data));
  });
  await redis.publish("news", bytes);
  assert.ok(bytes.equals(await within(raw)));

  // ioredis subscribes again by itself when its connection is lost.
  const subscribed = async () => /id=(\d+) [^\n]*sub=2/.exec(await redis.client("LIST"))?.[1];
  const id = await subscribed();
  assert.strictEqual(await redis.client("KILL", "ID", id), 1);
  const again = new Promise((resolve) => subscriber.once("message", (_, text) => resolve(text)));
  const deadline = Date.now() + LIMIT_MS;
  for (let now = id; now === undefined || now === id; now = await subscribed()) {
    assert.ok(Date.now() < deadline, "it does not come back");
  }
  assert.strictEqual(await redis.publish("sport", "again"), 1);
  assert.strictEqual(await within(again), "again");
  assert.strictEqual(await subscriber.unsubscribe("news", "sport"), 1);
  await subscriber.quit();
}

async function pipelines(redis) {
  const pipeline = redis.pipeline();
  for (let i = 0; i < 500; i++) pipeline.hset("h", `f${i}`, i).zadd("z", i, `m${i}`).sadd("s", i);
  const replies = await pipeline.exec();
  assert.ok(replies.every(([error, added]) => error === null && added === 1));
  const results = await redis
    .multi()
    .rpush("l", "a", "b")
    .hmget("h", "f1", "none")
    .zrange("z", 0, 1, "WITHSCORES")
    .lpush("h", "wrong")
    .xadd("x", "5-5", "k", "v")
    .exec();
  assert.deepStrictEqual(results.slice(0, 3), [
    [null, 2],
    [null, ["1", null]],
    [null, ["m0", "0", "m1", "1"]],
  ]);
  assert.match(results[3][0].message, /^WRONGTYPE/);
  assert.deepStrictEqual(results[4], [null, "5-5"]);
  await assert.rejects(redis.multi().set("k").exec(), /EXECABORT/);
}

/** All that a scan stream gives, flat. */
async function scanned(stream) {
  const found = [];
  for await (const part of stream) found.push(...part);
  return found;
}

async function scans(redis) {
  const pipeline = redis.pipeline();
  for (let i = 0; i < 1000; i++) pipeline.rpush(`list:${i}`, i).set(`text:${i}`, i);
  await pipeline.exec();
  const lists = await scanned(redis.scanStream({ match: "list:*", count: 50 }));
  assert.strictEqual(new Set(lists).size, 1000);
  const typed = await scanned(redis.scanStream({ type: "list", count: 200 }));
  assert.ok(new Set(typed).size === 1001 && typed.includes("l"));
  const fields = await scanned(redis.hscanStream("h", { match: "f49*" }));
  assert.strictEqual(fields.length, 22);
  const members = await scanned(redis.sscanStream("s", { count: 100 }));
  assert.strictEqual(new Set(members).size, 500);
  const ranked = await scanned(redis.zscanStream("z"));
  assert.strictEqual(ranked.length, 1000);
}

async function main() {
  const port = Number(process.argv[2]);
  const redis = new Redis(port);
  const connect = () => new Redis(port, { retryStrategy: () => 10 });
  await redis.flushall();
  await entries(redis);
  await group(redis, connect);
  await recovery(redis);
  await pubsub(redis, connect);
  await pipelines(redis);
  await scans(redis);
  await redis.flushall();
  await redis.quit();
  console.log("ioredis streams: ok");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
