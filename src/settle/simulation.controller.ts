import { Readable } from 'node:stream';
import { Body, Controller, Headers, HttpCode, Post, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { RequireScope } from '../http/api-key.guard.js';
import { toAnswer } from '../http/problem.filter.js';
import { errorFields, Log } from '../log.service.js';
import { Simulations, type PreparedSimulation } from './simulation.service.js';
import {
  shownSimulation,
  simulateBody,
  type ShownLists,
  type SimulateBody,
  type SimulationLine,
} from './simulation.schema.js';

const LINES = 'application/x-ndjson';
/** Milliseconds between two lines that only say how far it is. */
const PROGRESS_EVERY = 500;

/** Shows addresses and words that were said: it needs `admin`. */
@ApiTags('rules')
@RequireScope('admin')
@Controller('v1/rules')
export class SimulationController {
  constructor(
    private readonly simulations: Simulations,
    private readonly log: Log,
  ) {}

  @Post('simulate')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Try rules on stored transcripts: what they would have sent, and against the rules in force',
    description:
      'Nothing is sent and nothing written. `rule` is a new rule, `id` a saved one (also while it is switched off), both together a ' +
      'change of that one, `rules` the whole set, and nothing of them the rules in force. The range is that of the time when the ' +
      'transcripts came: the last seven days unless `from` and `to` say otherwise. `limit` bounds each list; all is counted. With ' +
      '`Accept: application/x-ndjson` the answer is a stream of lines: `{"type":"progress"}`, one `{"type":"job"}` for each job that ' +
      'a rule matches, with its messages, and `{"type":"summary"}` at the end; `{"type":"error"}` in its place when it broke.',
  })
  @ApiHeader({ name: 'Accept', required: false, example: LINES, description: 'For a stream of lines' })
  @ApiOkResponse({ standardSchema: shownSimulation })
  async simulate(
    @Body({ schema: simulateBody }) body: SimulateBody,
    @Headers('accept') accept: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const isStream = accept?.toLowerCase().includes(LINES) ?? false;
    const prepared = await this.simulations.prepare(body, !isStream);
    if (!isStream) {
      await reply.send(await this.whole(prepared, reply));
      return;
    }
    const stream = Readable.from(this.lines(prepared, reply.request.id), { objectMode: false });
    // Also of one that was never read from.
    stream.once('close', prepared.release);
    await reply.type(LINES).header('x-accel-buffering', 'no').send(stream);
  }

  /** Ends when the client goes: whoever reads the stream closes it then. */
  private async *lines(prepared: PreparedSimulation, requestId: string): AsyncGenerator<string, void> {
    let told = Number.NEGATIVE_INFINITY;
    try {
      for await (const line of this.simulations.run(prepared)) {
        if (line.type === 'progress' && performance.now() - told < PROGRESS_EVERY) continue;
        if (line.type === 'progress') told = performance.now();
        yield `${JSON.stringify(line)}\n`;
      }
    } catch (error) {
      this.log.error('rules.simulation-broke', { requestId, ...errorFields(error) });
      const { code, status, detail = '' } = toAnswer(error, requestId).problem;
      const line: SimulationLine = { type: 'error', problem: { code, status, detail } };
      yield `${JSON.stringify(line)}\n`;
    }
  }

  private async whole(prepared: PreparedSimulation, reply: FastifyReply): Promise<object | undefined> {
    const lists: ShownLists = { messages: [], added: [], removed: [], changed: [] };
    for await (const line of this.simulations.run(prepared)) {
      // The client has gone: leaving the loop ends the simulation.
      if (reply.raw.destroyed) return undefined;
      if (line.type === 'job') {
        lists.messages.push(...line.messages);
        lists.added.push(...line.added);
        lists.removed.push(...line.removed);
        lists.changed.push(...line.changed);
      }
      if (line.type === 'summary') {
        const { type: _type, ...summary } = line;
        return { ...summary, ...lists };
      }
    }
    return undefined;
  }
}
