import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequireScope } from '../http/api-key.guard.js';
import { resolveBody, shownResolved, type ResolveBody } from './resolve.schema.js';
import { Resolver, type Resolved } from './resolve.service.js';

@ApiTags('directory')
@RequireScope('admin')
@Controller('v1/recipients')
export class ResolveController {
  constructor(private readonly resolver: Resolver) {}

  @Post('resolve')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Who will get this?',
    description:
      'For a saved rule or for actions, and a stored job or tags: each person with address, channel, time and content level, those who ' +
      'would not get it with the reason. Caps and paused channels are not looked at. Nothing is stored, nothing is sent.',
  })
  @ApiOkResponse({ standardSchema: shownResolved })
  resolve(@Body({ schema: resolveBody }) body: ResolveBody): Promise<Resolved> {
    return this.resolver.resolve(body);
  }
}
