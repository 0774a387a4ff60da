import { expect, test } from "vitest";
import { RetryPolicy } from "../src/retry.js";

const LATEST = () => 1;

test("waits double from one failure to the next, up to the longest", () => {
  const policy = new RetryPolicy({ attempts: 6, firstWait: 100, longestWait: 500 }, LATEST);
  expect([1, 2, 3, 4, 5, 6].map(() => policy.next())).toEqual([100, 200, 400, 500, 500, null]);
});

test("a wait is anything from nothing to its most", () => {
  const at = (random: number) => new RetryPolicy({ firstWait: 100 }, () => random).next();
  expect([at(0), at(0.5), at(1)]).toEqual([0, 50, 100]);
});

test("something new makes the failures before it count no more, and not the next one either", () => {
  const policy = new RetryPolicy({ attempts: 2, firstWait: 100 }, LATEST);
  policy.next();
  policy.progress();
  expect([policy.next(), policy.next(), policy.next()]).toEqual([100, 100, null]);
});

test("Retry-After is a lower bound, and beyond a minute the end", () => {
  expect(new RetryPolicy({ firstWait: 100 }, () => 0).next(3)).toBe(3000);
  expect(new RetryPolicy({ firstWait: 100 }, LATEST).next(3)).toBe(3100);
  expect(new RetryPolicy().next(61)).toBeNull();
});
