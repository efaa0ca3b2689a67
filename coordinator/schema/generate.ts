// Prints the JSON Schema of groups.yaml, for editors; made from the schema that the coordinator reads with.
//   npm run --silent schema > coordinator/schema/groups.schema.json
import { toJsonSchema } from '@valibot/to-json-schema';
import { GroupsFile } from '../core/groups-schema.ts';

const schema = toJsonSchema(GroupsFile, { typeMode: 'input', errorMode: 'throw', ignoreActions: ['brand'] });
const document = {
  ...schema,
  title: 'groups.yaml of swarm-vip',
  description: 'Groups of virtual IPs: addresses that move together over the nodes of a Docker Swarm.',
};
process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
