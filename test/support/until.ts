/** Reads until what it reads is as it should be, and gives that. @throws with what it read last, after `patienceMs` */
export async function until<T>(
  read: () => Promise<T> | T,
  met: (value: T) => boolean,
  patienceMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const value = await read();
    if (met(value)) return value;
    if (Date.now() > deadline) throw new Error(`it never came to it: ${JSON.stringify(value).slice(0, 1_000)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
