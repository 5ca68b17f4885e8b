// A table from columns and rows: [{key, label, isNumber, isHeader, format(value, row)}], [{…}].
export function fillTable(table, columns, rows) {
  const head = document.createElement("thead");
  const line = head.insertRow();
  for (const column of columns) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = column.label;
    cell.classList.toggle("number", Boolean(column.isNumber));
    line.append(cell);
  }
  const body = document.createElement("tbody");
  for (const row of rows) body.append(makeRow(columns, row));
  const caption = table.caption;
  table.replaceChildren(...(caption ? [caption] : []), head, body);
}

function makeRow(columns, row) {
  const line = document.createElement("tr");
  for (const column of columns) {
    const cell = document.createElement(column.isHeader ? "th" : "td");
    if (column.isHeader) cell.scope = "row";
    cell.classList.toggle("number", Boolean(column.isNumber));
    const value = row[column.key];
    const shown = column.format ? column.format(value, row) : (value ?? "–");
    cell.append(shown instanceof Node ? shown : String(shown));
    line.append(cell);
  }
  return line;
}
