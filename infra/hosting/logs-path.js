// API Gateway's WebSocket APIs have no paths, so /ws/logs/{id} becomes /live?containerId={id}.
// Only a lease's id in its canonical spelling passes. Bad requests are refused here, because the
// answer can still say why.
const LEASE_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function handler(event) {
  const request = event.request;
  const path = /^\/ws\/logs\/([^/]+)$/.exec(request.uri);
  if (path === null) {
    return problem(event, 404, "Not Found", "route-not-found", "There is nothing at this path",
      "A log is at /ws/logs/ and the id of its lease.");
  }
  const id = decoded(path[1]);
  if (!LEASE_ID.test(id)) {
    return problem(event, 400, "Bad Request", "invalid-lease-id", "This is not a lease id",
      "Use the id that POST /api/provision has answered; it looks like " +
      "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c.");
  }
  // Only the path names the lease; drop the parameter from the query in any spelling.
  const query = { containerId: { value: id } };
  Object.keys(request.querystring).forEach((name) => {
    if (decoded(name) !== "containerId") query[name] = request.querystring[name];
  });
  request.uri = "/live";
  request.querystring = query;
  return request;
}

// Text that cannot be decoded matches neither a lease's id nor the parameter's name.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    return text;
  }
}

function problem(event, status, reason, name, title, detail) {
  const body = {
    type: "urn:containerlease:problem:" + name,
    title: title,
    status: status,
    detail: detail,
    requestId: event.context.requestId,
  };
  return {
    statusCode: status,
    statusDescription: reason,
    headers: {
      "content-type": { value: "application/problem+json" },
      "cache-control": { value: "no-store" },
    },
    body: { encoding: "text", data: JSON.stringify(body) },
  };
}
