import { Body, Controller, Header, HttpCode, Post, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { parseTwilioInbound } from '../channels/sms/twilio-inbound.js';
import { Public } from '../http/api-key.guard.js';
import { Log } from '../log.service.js';
import { InboundStore } from './inbound.store.js';
import { TwilioForm, TwilioSignatureGuard } from './twilio-signature.guard.js';

/** Twilio itself answers STOP, START and HELP: we say nothing. */
const NO_REPLY = '<?xml version="1.0" encoding="UTF-8"?>\n<Response/>\n';

/** Messages that people send to our numbers. Only the wish to get messages, or none, is kept: not a word of any other text. */
@Public()
@ApiExcludeController()
@UseGuards(TwilioSignatureGuard)
@Controller('inbound/twilio')
export class InboundController {
  constructor(
    private readonly inbound: InboundStore,
    private readonly log: Log,
  ) {}

  @Post()
  @HttpCode(200)
  @Header('content-type', 'text/xml; charset=utf-8')
  async receive(@Body({ schema: TwilioForm }) form: TwilioForm): Promise<string> {
    const message = parseTwilioInbound(form);
    const outcome = message ? await this.inbound.apply(message) : 'no-wish';
    this.log.info('inbound.received', { messageSid: message?.sid, wish: message?.wish, outcome });
    return NO_REPLY;
  }
}
