// Prints the dashboard's types, made from the API's description.
//
// usage: node generate.mjs DESCRIPTION

import { readFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const HEAD = "// Made from docs/openapi.json by `make openapi`; changes by hand are lost.\n\n";

const description = JSON.parse(readFileSync(process.argv[2], "utf8"));
const types = await openapiTS(description, {
  // A request may omit a field that has a default.
  defaultNonNullable: false,
});
process.stdout.write(HEAD + astToString(types));
