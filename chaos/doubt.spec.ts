import { describe, expect, it } from '@jest/globals';
import { DOUBTS, inDoubt, lookUpAfter, NO_CAPS, noneLeft } from '../test/support/doubt.js';
import { databases, Stage } from '../test/support/stage.js';
import { figure, scaled } from './support/scale.js';

/** SMS whose send has no clear answer, on each database. */
const DOUBTFUL = scaled(200, 6);

describe.each(await databases())('SMS that may have been sent, on %s', (kind) => {
  it(`are each made once in the end: ${String(DOUBTFUL)} lost answers, no kill (P4, P5)`, async () => {
    const stage = await Stage.start(kind, {
      twilio: { statusDelayMs: 3_600_000 },
      env: { ...NO_CAPS, HERALD_LOG_LEVEL: 'warn' },
    });
    stage.deepgram.holdCallbacks();
    try {
      let made = 0;
      for (let index = 0; index < DOUBTFUL; index++) {
        const doubt = DOUBTS[index % DOUBTS.length];
        if (!doubt) throw new Error('unreachable: there are several');
        made += doubt.made ? 1 : 0;
        await inDoubt(stage, { phone: `+1415${String(3_000_000 + index)}` }, doubt.fault);
      }
      expect(stage.twilio.messages).toHaveLength(made);
      await lookUpAfter(stage, 61);
      await noneLeft(stage, `state <> 'sent'`);
      const copies = new Map<string, number>();
      for (const { message } of stage.twilio.messages) copies.set(message.to, (copies.get(message.to) ?? 0) + 1);
      const twice = [...copies.values()].filter((count) => count > 1).length;
      figure(`SMS without a clear answer on ${kind}`, DOUBTFUL);
      figure(`of those, made before the look-up on ${kind}`, made);
      figure(`SMS made twice on ${kind}`, twice);
      figure(`SMS never made on ${kind}`, DOUBTFUL - copies.size);
      expect([twice, copies.size]).toEqual([0, DOUBTFUL]);
    } finally {
      await stage.stop();
    }
  });
});
