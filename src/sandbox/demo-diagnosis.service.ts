import { SECOND } from '../duration.js';
import { DemoApi } from './demo-api.service.js';
import type { JobView, SentDelivery } from './demo-call.js';
import type { DemoHerald } from './demo-herald.service.js';

/**
 * Why a demo stopped, as far as Herald knows: what the job and its deliveries say of their last tries, and what was logged.
 * @param jobId undefined when it never came to a job
 */
export async function diagnose(herald: DemoHerald, jobId: string | undefined): Promise<string[]> {
  const tries = jobId === undefined ? [] : await lastTries(herald, jobId).catch(() => []);
  const complaints = (await herald.complaints()).map((complaint) => `Herald logged: ${complaint}`);
  return [...tries, ...complaints, `Its log is kept: ${herald.log}`];
}

async function lastTries({ url, key }: DemoHerald, jobId: string): Promise<string[]> {
  const api = new DemoApi(url, key, AbortSignal.timeout(5 * SECOND));
  const { state, lastError, deliveries } = await api.get<JobView>(`/v1/jobs/${jobId}`);
  const lines = [`The job is ${state}. ${lastError ? `${lastError.code}: ${lastError.message}` : ''}`.trim()];
  for (const { id } of deliveries.filter((delivery) => !['sent', 'delivered'].includes(delivery.state))) {
    const delivery = await api.get<SentDelivery>(`/v1/deliveries/${id}`);
    const last = delivery.attempts.at(-1);
    const outcome = last?.error ? `${last.code ?? ''} ${last.error}` : 'no answer so far';
    lines.push(
      `The ${delivery.channel} is ${delivery.state} after ${String(delivery.attempts.length)} tries: ${outcome}`,
    );
  }
  return lines;
}
