// Names of things that pages tell of; see pages/words.py. What has no name there is shown as it is.
import { language, t } from "./strings.js";

const knows = (key) => {
  try {
    return t(key);
  } catch {
    return null;
  }
};

export const nameChannel = (channel) => knows(`channel.${channel}`) ?? channel;
export const nameOf = (group, code) => knows(`${group}.${code}`) ?? code.replaceAll("_", " ");
export const translate = (sentence) => knows(`said.${sentence}`) ?? sentence;
export const listWords = (words) => new Intl.ListFormat(language, { type: "conjunction" }).format(words);
