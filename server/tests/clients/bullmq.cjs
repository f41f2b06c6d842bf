// BullMQ: a queue whose every step is a script over keys that it does not declare.
//
// usage: bullmq.cjs PORT     (run by ../clients.rs; exits with 1 on the first failure)
//
// A thousand jobs, some of them delayed, some failing twice before they succeed, by two workers at
// once; priorities; a flow whose parent runs after its children; rate limiting.

const assert = require('node:assert');
const { Queue, Worker, QueueEvents, FlowProducer } = require('bullmq');

const connection = { host: '127.0.0.1', port: Number(process.argv[2]), maxRetriesPerRequest: null };
const JOBS = 1000;
const LIMIT_MS = 75_000;

setTimeout(() => {
  console.error('BullMQ took too long');
  process.exit(1);
}, LIMIT_MS).unref();

function until(condition) {
  return new Promise((resolve) => {
    const look = async () => ((await condition()) ? resolve() : setTimeout(look, 20));
    look();
  });
}

async function thousand() {
  const queue = new Queue('thousand', { connection });
  const seen = new Map();
  const handle = async (job) => {
    seen.set(job.id, (seen.get(job.id) ?? 0) + 1);
    if (job.data.fails && job.attemptsMade < 2) throw new Error('not yet');
    return job.data.number * 2;
  };
  const workers = [1, 2].map(
    () => new Worker('thousand', handle, { connection, concurrency: 20 }),
  );
  const jobs = [];
  for (let number = 0; number < JOBS; number += 1) {
    jobs.push({
      name: 'job',
      data: { number, fails: number % 50 === 0 },
      opts: {
        delay: number % 20 === 0 ? 200 : 0,
        attempts: 3,
        backoff: { type: 'fixed', delay: 50 },
        priority: number % 7 === 0 ? 1 + (number % 5) : 0,
      },
    });
  }
  for (let at = 0; at < JOBS; at += 100) await queue.addBulk(jobs.slice(at, at + 100));
  await until(async () => (await queue.getCompletedCount()) === JOBS);
  const counts = await queue.getJobCounts();
  assert.strictEqual(counts.completed, JOBS);
  for (const state of ['wait', 'active', 'delayed', 'failed', 'prioritized']) {
    assert.strictEqual(counts[state] ?? 0, 0, state);
  }
  assert.strictEqual(seen.size, JOBS);
  const tries = [...seen.values()].reduce((sum, count) => sum + count, 0);
  assert.strictEqual(tries, JOBS + 2 * (JOBS / 50), 'each failing job was tried three times');
  const [job] = await queue.getCompleted(0, 0);
  assert.strictEqual(job.returnvalue, job.data.number * 2);
  await Promise.all(workers.map((worker) => worker.close()));
  await queue.obliterate({ force: true });
  await queue.close();
}

async function failing() {
  const queue = new Queue('failing', { connection });
  const events = new QueueEvents('failing', { connection });
  await events.waitUntilReady();
  const worker = new Worker('failing', async () => { throw new Error('never'); }, { connection });
  const job = await queue.add('job', {});
  await assert.rejects(job.waitUntilFinished(events), /never/);
  assert.strictEqual(await queue.getFailedCount(), 1);
  await worker.close();
  await events.close();
  await queue.obliterate({ force: true });
  await queue.close();
}

async function flow() {
  const order = [];
  const worker = new Worker('flow', async (job) => {
    order.push(job.name);
    if (job.name === 'parent') {
      const values = Object.values(await job.getChildrenValues());
      return values.reduce((sum, value) => sum + value, 0);
    }
    return job.data.value;
  }, { connection });
  const producer = new FlowProducer({ connection });
  const children = [1, 2, 3].map((value) => ({ name: `child${value}`, queueName: 'flow', data: { value } }));
  const tree = await producer.add({ name: 'parent', queueName: 'flow', children });
  const queue = new Queue('flow', { connection });
  await until(async () => (await tree.job.getState()) === 'completed');
  const parent = await queue.getJob(tree.job.id);
  assert.strictEqual(parent.returnvalue, 6);
  assert.strictEqual(order.at(-1), 'parent');
  await worker.close();
  await producer.close();
  await queue.obliterate({ force: true });
  await queue.close();
}

async function limited() {
  const queue = new Queue('limited', { connection });
  const limiter = { max: 5, duration: 200 };
  const started = Date.now();
  const worker = new Worker('limited', async () => {}, { connection, limiter });
  await queue.addBulk(Array.from({ length: 15 }, () => ({ name: 'job', data: {} })));
  await until(async () => (await queue.getCompletedCount()) === 15);
  assert.ok(Date.now() - started >= 380, 'fifteen jobs at five per 200 ms');
  await worker.close();
  await queue.obliterate({ force: true });
  await queue.close();
}

(async () => {
  await thousand();
  await failing();
  await flow();
  await limited();
  console.log('bullmq: ok');
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
