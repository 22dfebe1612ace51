// Drives docs/verify.html in a frame as a person would: gives it files, and reads what it shows.
const results = { failures: [], engine: 'webcrypto', checks: 0 };
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function shows(page, what, pattern) {
  results.checks++;
  for (let attempt = 0; attempt < 100; attempt++) {
    if (pattern.test(page.getElementById('verdict').textContent)) return;
    await wait(50);
  }
  results.failures.push(`${what}: ${page.getElementById('verdict').textContent.slice(0, 200)}`);
}

function give(view, id, text) {
  const files = new view.DataTransfer();
  files.items.add(new view.File([text], `${id}.json`));
  const input = view.document.getElementById(id);
  input.files = files.files;
  input.dispatchEvent(new view.Event('change'));
}

addEventListener('load', async () => {
  try {
    const vector = await (await fetch('/vector.json')).json();
    const view = document.querySelector('iframe').contentWindow;
    const page = view.document;
    for (const { evidence, nonce, policy, trustedRoots } of vector.machines) {
      give(view, 'policy', JSON.stringify({ now: vector.now, nonce, policy, trustedRoots }));
      give(view, 'evidence', evidence);
      await shows(page, 'good evidence', /^verified: \d+ checks/);
      give(view, 'policy', JSON.stringify({ now: vector.now, nonce, policy }));
      await shows(page, 'evidence of another maker', /^refused: .*NOT_TRUSTED/);
      give(view, 'policy', JSON.stringify({ now: vector.now, nonce: 'AAAA', policy, trustedRoots }));
      await shows(page, 'another nonce', /^refused: .*ERR_QUOTE_NONCE/);
    }
    give(view, 'evidence', '{"hclReport": 1');
    await shows(page, 'what is not JSON', /^cannot be verified/);
  } catch (error) {
    results.failures.push(String(error));
  }
  await fetch('/result', { method: 'POST', body: JSON.stringify(results) });
});
