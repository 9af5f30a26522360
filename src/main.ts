import { setFlagsFromString } from 'node:v8';

// Loading the libraries makes a burst of garbage for which V8 would grow its young generation, and keep it: 20 MB of memory at
// rest. It may grow again once there is real work.
setFlagsFromString('--semi-space-growth-factor=1');
// V8 lets garbage grow to three times of what is alive before it collects the old generation; at a steady load that is 100 MB.
setFlagsFromString('--heap-growing-percent=15');
await import('reflect-metadata');
const { serve } = await import('./serve.service.js');
await serve(process.env);
setFlagsFromString('--semi-space-growth-factor=2');
