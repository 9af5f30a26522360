import 'reflect-metadata';
import { serve } from './serve.service.js';

await serve(process.env);
